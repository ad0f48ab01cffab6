// Package pgmigrate brings Partywall's own tables to the version that the
// code expects. The host's migrations are not its business: see
// provisioning/schema.
//
// A package of Partywall that owns tables keeps them in one schema of their
// own and embeds its migrations:
//
//	//go:embed migrations
//	var files embed.FS
//
//	func migrations() pgmigrate.Set {
//		sub, _ := fs.Sub(files, "migrations")
//		return pgmigrate.Set{Schema: "partywall_catalog", Files: sub}
//	}
//
// Files are called NNN_name.sql, from 001 without gaps. Each runs in a
// transaction of its own, with the set's schema as the search path, and is
// recorded in <schema>.migration by the same transaction: a file that fails
// leaves nothing behind, and the next [Apply] takes up from it. A file must
// not end its transaction, and what PostgreSQL refuses within one (CREATE
// INDEX CONCURRENTLY) has no place in it.
//
// A file that was applied anywhere must never change: [Apply] and [Check]
// compare its digest and fail with a [*ChangedError].
package pgmigrate
