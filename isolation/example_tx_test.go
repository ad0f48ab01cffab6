package isolation_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A transaction is one tenant's from its beginning to its end. An error takes
// back what it did.
func ExampleDB_Tx() {
	db, acme, globex, closeHouse := exampleHouse(context.Background())
	defer closeHouse()

	err := db.Tx(acme, nil, func(tx pgx.Tx) error {
		if _, err := tx.Exec(acme, `INSERT INTO orders (id, item) VALUES (1, 'anvil')`); err != nil {
			return err
		}
		_, err := tx.Exec(globex, `INSERT INTO orders (id, item) VALUES (1, 'rocket')`)
		return err
	})
	fmt.Println(err != nil)

	err = db.Tx(acme, nil, func(tx pgx.Tx) error {
		_, err := tx.Exec(acme, `INSERT INTO orders (id, item) VALUES (2, 'anvil')`)
		return errors.Join(err, errors.New("out of stock"))
	})
	fmt.Println(err)

	var n int
	fmt.Println(db.QueryRow(acme, `SELECT count(*) FROM orders`).Scan(&n), n)
	// Output:
	// true
	// out of stock
	// <nil> 0
}
