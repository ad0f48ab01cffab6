// Package store is a store's queries, as sqlc generates them from query.sql
// for any application on pgx. There is no tenant in them, and nothing of
// Partywall: [New] is given an *isolation.DB, or a transaction of one, and
// every statement is the tenant's of its context.
package store

//go:generate sqlc generate
