// Package partywall is the map of the house; it exports nothing.
//
//	tenant                 who the tenants are
//	tenant/pgtenant        the catalog on PostgreSQL (memtenant: in memory)
//	tenant/httptenant      whose an HTTP request is (grpctenant: a gRPC call)
//	isolation              PostgreSQL one tenant at a time
//
// The smallest program opens a catalog and the servers, and wraps its handlers:
//
//	tenants, err := pgtenant.Open(ctx, catalogPool, nil)
//	db, err := isolation.Open(ctx, tenants, isolation.Servers{
//		"eu-1": {App: os.Getenv("APP_URL"), Migrator: os.Getenv("MIGRATOR_URL")},
//	}, nil)
//	...
//	wrap := httptenant.Middleware(tenants, httptenant.Subdomain("myapp.com"), nil)
//	http.ListenAndServe(":8080", wrap(mux))
//
// From then on db.Query(r.Context(), ...) answers for the tenant of the
// request, and for nobody else.
package partywall
