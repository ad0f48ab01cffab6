package isolation_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/partywall/partywall/isolation"
)

// The way past the wall has a name that can be searched for, and a reason that
// is audited.
func ExampleAsSystem() {
	ctx := context.Background()
	db, acme, globex, closeHouse := exampleHouse(ctx)
	defer closeHouse()
	order(acme, db, "anvil")
	order(globex, db, "rocket")

	var n int
	fmt.Println(db.QueryRow(isolation.AsSystem(ctx, "monthly figures"), `SELECT count(*) FROM orders`).Scan(&n), n)

	err := db.QueryRow(isolation.AsSystem(ctx, ""), `SELECT count(*) FROM orders`).Scan(&n)
	fmt.Println(errors.Is(err, isolation.ErrRefused))
	// Output:
	// <nil> 2
	// true
}
