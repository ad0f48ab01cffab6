// Package pgtest gives each test its own PostgreSQL database, cloned from a
// template in tens of milliseconds.
//
//	func TestOrders(t *testing.T) {
//		t.Parallel()
//
//		db := pgtest.New(t, &pgtest.Template{Name: "orders", Version: "1", Fill: migrate})
//		pool := db.Pool(t)
//		...
//	}
//
// The servers come from the environment that internal/testenv sets; without it
// a test fails and says what to run. Templates are made once per server,
// however many processes of "go test" want them at the same time.
//
// A database is dropped when its test ends, unless the test failed: then it
// stays, and the log says how to look at it.
package pgtest
