// Package schema brings the host's tables up to date everywhere: in the tables
// that tenants share, in every tenant's schema and in every tenant's database.
//
// The migrations are goose's, SQL files and Go functions. [Load] reads and
// checks them; [Migrations.Migrate] is what [isolation.Options] wants for new
// places; a [Fleet] applies them to the places that are there:
//
//	migrations, err := schema.Load(files, nil)
//	db, err := isolation.Open(ctx, tenants, servers, &isolation.Options{Migrate: migrations.Migrate})
//	fleet, err := schema.New(catalog, db, tenants, migrations, nil)
//	report, err := fleet.Apply(ctx, nil)
//
// # Truth
//
// What has run in a place is said by goose's own table, which is in the place's
// own schema and is written by the transaction of the migration itself. The
// catalog has a table of all places, so that those that are current cost
// nothing; it follows the places, and where it is wrong, it is put right by the
// next visit.
//
// # Before they run
//
// [Migrations.Lint] reads the files, [Fleet.Plan] says what would run where, and
// [Fleet.Drift] finds the places that are not like the others.
package schema
