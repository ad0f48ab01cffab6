-- name: Summary :one
SELECT count(*) AS invoices, COALESCE(sum(total), 0)::numeric AS total,
       (SELECT count(*) FROM customer) AS customers
FROM invoice;

-- name: BestCustomers :many
SELECT c.customer_id, c.first_name, c.last_name, c.city,
       count(*) AS invoices, sum(i.total)::numeric AS total
FROM customer c
JOIN invoice i USING (customer_id)
GROUP BY c.customer_id, c.first_name, c.last_name, c.city
ORDER BY sum(i.total) DESC, c.customer_id
LIMIT $1;

-- name: TopGenres :many
SELECT g.name, sum(l.quantity)::bigint AS sold,
       count(DISTINCT c.customer_id) AS fans,
       sum(l.quantity * l.unit_price)::numeric AS total
FROM customer c
JOIN invoice i USING (customer_id)
JOIN invoice_line l USING (invoice_id)
JOIN track t USING (track_id)
JOIN genre g USING (genre_id)
GROUP BY g.genre_id, g.name
ORDER BY sum(l.quantity * l.unit_price) DESC, g.name
LIMIT $1;

-- name: SalesByYear :many
SELECT extract(year FROM invoice_date)::integer AS year, sum(total)::numeric AS total
FROM invoice
GROUP BY 1
ORDER BY 1;

-- name: RecentInvoices :many
SELECT i.invoice_id, i.invoice_date, c.first_name, c.last_name, i.total
FROM invoice i
JOIN customer c USING (customer_id)
ORDER BY i.invoice_date DESC, i.invoice_id DESC
LIMIT $1;

-- name: Invoice :one
SELECT i.invoice_id, i.invoice_date, i.customer_id, c.first_name, c.last_name, c.email, i.total
FROM invoice i
JOIN customer c USING (customer_id)
WHERE i.invoice_id = $1;

-- name: InvoiceLines :many
SELECT l.invoice_line_id, t.name AS track, a.title AS album, r.name AS artist, l.unit_price, l.quantity
FROM invoice_line l
JOIN track t USING (track_id)
JOIN album a USING (album_id)
JOIN artist r USING (artist_id)
WHERE l.invoice_id = $1
ORDER BY l.invoice_line_id;

-- name: Catalogue :many
SELECT a.album_id, a.title, r.name AS artist, count(*) AS tracks,
       sum(t.unit_price)::numeric AS price, COALESCE(sum(s.sold), 0)::bigint AS sold
FROM album a
JOIN artist r USING (artist_id)
JOIN track t USING (album_id)
LEFT JOIN (SELECT track_id, sum(quantity) AS sold FROM invoice_line GROUP BY track_id) s USING (track_id)
GROUP BY a.album_id, a.title, r.name
ORDER BY COALESCE(sum(s.sold), 0) DESC, a.title, a.album_id
LIMIT $1;

-- name: Album :one
SELECT a.title, r.name AS artist
FROM album a
JOIN artist r USING (artist_id)
WHERE a.album_id = $1;

-- name: Customers :many
SELECT customer_id, first_name, last_name, company, city, country, email
FROM customer
ORDER BY customer_id
LIMIT $1;

-- name: CreateCustomer :one
INSERT INTO customer (first_name, last_name, company, city, country, email)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING customer_id;

-- name: DeleteCustomer :execrows
DELETE FROM customer WHERE customer_id = $1;
