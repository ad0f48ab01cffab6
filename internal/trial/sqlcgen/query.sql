-- name: CreateArtist :one
INSERT INTO artist (id, name, born) VALUES ($1, $2, $3) RETURNING *;

-- name: GetArtist :one
SELECT * FROM artist WHERE id = $1;

-- name: ListArtists :many
SELECT * FROM artist ORDER BY id;

-- name: RenameArtist :execrows
UPDATE artist SET name = $2 WHERE id = $1;

-- name: DeleteAlbums :exec
DELETE FROM album WHERE artist_id = $1;

-- name: DeleteArtist :execresult
DELETE FROM artist WHERE id = $1;

-- name: CreateAlbum :batchexec
INSERT INTO album (id, artist_id, title, price, tags) VALUES ($1, $2, $3, $4, $5);

-- name: AlbumTitle :batchone
SELECT title FROM album WHERE id = $1;

-- name: AlbumsOf :batchmany
SELECT title FROM album WHERE artist_id = $1 ORDER BY id;

-- name: CopyArtists :copyfrom
INSERT INTO artist (id, name, born) VALUES ($1, $2, $3);

-- name: Catalogue :many
SELECT sqlc.embed(artist), album.title, album.price, album.tags
FROM artist JOIN album ON album.artist_id = artist.id
WHERE artist.id = ANY (sqlc.arg(ids)::bigint[])
ORDER BY album.id;
