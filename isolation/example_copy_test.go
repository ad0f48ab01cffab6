package isolation_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Many rows at once become the tenant's own: the column that says whose they
// are fills itself.
func ExampleDB_CopyFrom() {
	db, acme, globex, closeHouse := exampleHouse(context.Background())
	defer closeHouse()

	items := []string{"anvil", "magnet", "rocket"}
	fmt.Println(db.CopyFrom(acme, pgx.Identifier{"orders"}, []string{"id", "item"},
		pgx.CopyFromSlice(len(items), func(i int) ([]any, error) { return []any{i, items[i]}, nil })))

	var n int
	fmt.Println(db.QueryRow(globex, `SELECT count(*) FROM orders`).Scan(&n), n)
	// Output:
	// 3 <nil>
	// <nil> 0
}
