package isolation_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/partywall/partywall/tenant"
)

// What wants a *sql.DB, such as GORM, ent or bun, gets one with the same wall.
// Only the methods that take a context are of use.
func ExampleDB_StdDB() {
	db, acme, globex, closeHouse := exampleHouse(context.Background())
	defer closeHouse()
	order(globex, db, "rocket")

	std := db.StdDB()
	tx, err := std.BeginTx(acme, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := tx.ExecContext(acme, `INSERT INTO orders (id, item) VALUES ($1, $2)`, 1, "anvil"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(tx.Commit())

	var item string
	fmt.Println(std.QueryRowContext(acme, `SELECT item FROM orders`).Scan(&item), item)

	err = std.QueryRow(`SELECT item FROM orders`).Scan(&item) //nolint:noctx // that is the point
	fmt.Println(errors.Is(err, tenant.ErrNoTenant))
	// Output:
	// <nil>
	// <nil> anvil
	// true
}
