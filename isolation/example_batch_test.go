package isolation_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A batch goes to the server in one flush, the gate with it, and is done as a
// whole or not at all.
func ExampleDB_SendBatch() {
	db, acme, globex, closeHouse := exampleHouse(context.Background())
	defer closeHouse()
	order(globex, db, "rocket")

	var batch pgx.Batch
	batch.Queue(`INSERT INTO orders (id, item) VALUES ($1, $2)`, 1, "anvil")
	batch.Queue(`INSERT INTO orders (id, item) VALUES ($1, $2)`, 2, "magnet")
	batch.Queue(`SELECT string_agg(item, ', ' ORDER BY id) FROM orders`).QueryRow(func(row pgx.Row) error {
		var items string
		err := row.Scan(&items)
		fmt.Println(items)
		return err
	})
	fmt.Println(db.SendBatch(acme, &batch).Close())
	// Output:
	// anvil, magnet
	// <nil>
}
