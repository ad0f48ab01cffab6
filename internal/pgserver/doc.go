// Package pgserver runs a private PostgreSQL from the binaries of this
// machine, for demos and tests.
//
// A server lives in a temporary folder, listens on a free port of 127.0.0.1
// and on a unix socket in that folder, trusts every local user, and dies with
// its parent:
//
//	server, err := pgserver.Start(ctx, nil)
//	if err != nil {
//		return err
//	}
//	defer server.Stop(context.WithoutCancel(ctx))
//	pool, err := pgxpool.New(ctx, server.URL("postgres"))
//
// [Server.Stop] ends it for good and removes its folder.
// [Server.StopImmediate] ends it as a crash would, and [Server.Start] brings
// it back on the same data and port, going through recovery.
//
// PostgreSQL refuses to run as root, so a root parent starts it as the user
// postgres or nobody. On Linux the kernel ends it when the parent dies in
// whatever way; the folder is then removed by the next start.
package pgserver
