-- What a new store begins with: somebody has bought three albums to celebrate.
-- Invoices below 100001 come with the data; see 002_sales.sql.

INSERT INTO customer (customer_id, first_name, last_name, city, country, email)
VALUES (1, 'Edna', 'Early', 'Harlem', 'United States', 'edna@example.com');

INSERT INTO invoice (invoice_id, customer_id, invoice_date, total)
SELECT 100001, 1, current_date, sum(unit_price) FROM track WHERE album_id <= 3;

INSERT INTO invoice_line (invoice_line_id, invoice_id, track_id, unit_price, quantity)
SELECT row_number() OVER (ORDER BY track_id), 100001, track_id, unit_price, 1 FROM track WHERE album_id <= 3;
