// Package scopecheck finds, before anything runs, the ways in which a program
// goes round the wall between its tenants: by a handle that knows no tenant,
// by a context that has lost it, and by SQL that anybody can write.
//
// # Running it
//
// The command is a tool for go vet, and runs on its own too:
//
//	go install github.com/partywall/partywall/isolation/scopecheck/cmd/scopecheck@latest
//	go vet -vettool=$(which scopecheck) ./...
//
//	go run github.com/partywall/partywall/isolation/scopecheck/cmd/scopecheck ./...
//
// Both end with a status other than 0 when there is a finding, so that either
// line is all that CI needs. Alone, -fix applies what is suggested and -json
// prints the categories. [New] is for programs that run several analyzers.
//
// # What it finds
//
//   - rawhandle: a query, transaction, batch or bulk insert on a *pgxpool.Pool,
//     *pgx.Conn, *sql.DB or *sql.Conn, a command of a go-redis client, or access
//     to a gocloud *blob.Bucket, where a tenant is in scope. What comes from
//     isolation, storage or cache, such as DB.StdDB, is no raw handle. A handle
//     of database/sql is reported only if this package shows that it is raw.
//   - background: context.Background or context.TODO in the handler of a request,
//     or handed to a call by a function that has a context of its own. A fix is
//     suggested where the better context is a parameter of the same function.
//   - goroutine: a go statement in a handler with the request's context, where
//     the handler waits for nothing: no Wait, no receive from a channel.
//   - system: isolation.AsSystem whose reason is blank or no constant.
//   - sql: a statement for pgx, database/sql or isolation that is concatenated or
//     formatted from strings. Constants, numbers, what the database has returned,
//     and functions whose names say that they quote (Sanitize, quote, literal)
//     are harmless.
//   - protocol: pgx.QueryExecModeSimpleProtocol, or a connection string that asks
//     for it, in a package that imports isolation.
//   - directive: an allowance without a reason.
//
// # When a tenant is in scope
//
// A tenant is in scope in a function that
//
//   - has a parameter of type *http.Request and returns no *http.Response, so
//     that it serves and is no client's transport;
//   - is an exported method, with a context, of a type that embeds what
//     protoc-gen-go-grpc generates (Unimplemented…Server);
//   - calls tenant.NewContext, tenant.Admit, tenant.FromContext or Registry.Resume;
//   - runs a statement on an isolation.DB, with a context not of AsSystem;
//   - or is a literal within such a function.
//
// The first two are the handlers that the rules background and goroutine speak
// of. A call whose context comes from tenant.Without has none in scope.
//
// # Silencing it
//
// A comment with a reason, beside the finding or alone on the line above,
// silences that line:
//
//	//scopecheck:allow countries are the same for every tenant
//	rows, err := pool.Query(ctx, `SELECT code, name FROM country`)
//
// Without a reason the comment is a finding itself, and silences nothing.
//
// # What it does not look at
//
// Test files, and functions that take something of package testing. In main and
// init, context.Background is right.
//
// # What it cannot find
//
// It reads one package at a time, and in it all assignments to a variable, field
// or parameter, in no order. So it does not see
//
//   - a raw handle behind an interface or a method of another package, or one in a
//     function that does not show that it serves a tenant;
//   - a *sql.DB that another package has opened, or a variable that holds raw and
//     walled handles by turns: it counts as walled;
//   - SQL that another package has put together, that a strings.Builder has, or
//     that comes whole from a user; nor whether a function named quote does;
//   - what a handler waits for: any Wait or receive is enough. Nor goroutines that
//     WaitGroup.Go or a function of another package starts;
//   - a context that was stored, or replaced by another package.
//
// It helps reviewers, and is no part of the wall: what it misses, the data server
// still refuses, as far as it goes through isolation.DB.
package scopecheck
