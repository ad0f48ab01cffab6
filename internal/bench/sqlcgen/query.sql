-- Behind the wall no statement says whose it is.

-- name: Point :one
SELECT id, name, price, made FROM item WHERE id = $1;

-- name: List :many
SELECT id, name, price, made FROM item WHERE id > $1 ORDER BY id LIMIT 20;

-- name: Insert :exec
INSERT INTO event (id, name, price) VALUES ($1, $2, $3);

-- The same without a wall.

-- name: PointOf :one
SELECT id, name, price, made FROM item WHERE tenant_id = $1 AND id = $2;

-- name: ListOf :many
SELECT id, name, price, made FROM item WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT 20;

-- name: InsertOf :exec
INSERT INTO event (tenant_id, id, name, price) VALUES ($1, $2, $3, $4);
