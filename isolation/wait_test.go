package isolation_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/partywall/partywall/isolation"
	"github.com/partywall/partywall/tenant"
)

// TestHungDatabaseHoldsNobodyElse opens a database that does not answer: who
// waits for it may give up.
func TestHungDatabaseHoldsNobodyElse(t *testing.T) {
	t.Parallel()
	var hang atomic.Bool
	hung, release := make(chan struct{}, 100), make(chan struct{})
	h := build(t, func(h *house) {
		s := h.servers["eu-1"]
		s.App = newProxy(t, s.App, func(*proxy) {
			if hang.Load() {
				hung <- struct{}{}
				<-release
			}
		}).url
		h.servers["eu-1"] = s
	})
	own := h.data.Sibling(t)
	who, err := h.tenants.Create(t.Context(), tenant.Spec{Slug: "hooli", Status: tenant.Active,
		Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Database, Database: own.Name}})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Provision(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	hang.Store(true)
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := h.Exec(tenant.NewContext(t.Context(), who), `SELECT 1`); first <- err }()
	<-hung
	ctx, cancel := context.WithCancel(tenant.NewContext(t.Context(), who))
	go func() { _, err := h.Exec(ctx, `SELECT 1`); second <- err }()
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	hang.Store(false)
	close(release)
	if err := <-first; err != nil {
		t.Errorf("who waited: %v", err)
	}
	h.clean(t)
}

// TestNewsOfManyTenantsTakesFewConnections suspends many tenants at once: each
// is news for the data server, and the server has other work.
func TestNewsOfManyTenantsTakesFewConnections(t *testing.T) {
	t.Parallel()
	const many = 40
	var migrators *proxy
	h := build(t, func(h *house) {
		s := h.servers["eu-1"]
		migrators = newProxy(t, s.Migrator, func(*proxy) {})
		s.Migrator = migrators.url
		h.servers["eu-1"] = s
	})
	known := make(chan struct{}, many)
	defer h.tenants.Subscribe(func(e tenant.Event) {
		if e.Before.ID.IsZero() {
			known <- struct{}{}
		}
	})()
	crowd := make([]tenant.Tenant, many)
	for i := range crowd {
		var err error
		crowd[i], err = h.tenants.Create(t.Context(), tenant.Spec{Slug: fmt.Sprint("crowd-", i), Status: tenant.Active,
			Placement: tenant.Placement{Server: "eu-1", Strategy: tenant.Shared}})
		if err != nil {
			t.Fatal(err)
		}
		<-known // so that the suspension is news of its own
	}
	for _, who := range crowd {
		if _, err := h.tenants.Suspend(t.Context(), who.ID, "test"); err != nil {
			t.Fatal(err)
		}
	}
	admin := h.data.Conn(t)
	for told := 0; told < many; {
		if err := admin.QueryRow(t.Context(), `SELECT count(*) FROM partywall.fence WHERE state = 'r'`).Scan(&told); err != nil {
			t.Fatal(err)
		}
	}
	migrators.mu.Lock()
	defer migrators.mu.Unlock()
	if migrators.most > many/2 { // four, the one that asks, and those that are still hanging up
		t.Errorf("%d connections at once", migrators.most)
	}
}

// TestAskingThatHangsEndsWithTheFence lets the connection hang on which nodes are
// asked for their leases: the tenant is fenced all the same, and who closes the
// house does not wait for it.
func TestAskingThatHangsEndsWithTheFence(t *testing.T) {
	t.Parallel()
	var hang atomic.Bool
	asked, release := make(chan struct{}), make(chan struct{})
	h := build(t, func(h *house) {
		s := h.servers["eu-1"]
		s.Migrator = newProxy(t, s.Migrator, func(*proxy) {
			if hang.CompareAndSwap(true, false) {
				close(asked)
				<-release
			}
		}).url
		h.servers["eu-1"] = s
	})
	acme := h.as(t, "acme")
	tx, err := h.Begin(acme)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(acme, `SELECT item FROM orders`); err != nil {
		t.Fatal(err)
	}
	fenced := make(chan error, 1)
	go func() {
		_, err := h.Drain(t.Context(), h.who["acme"], &isolation.DrainOptions{Grace: 500 * time.Millisecond})
		fenced <- err
	}()
	admin := h.data.Conn(t)
	for waiting := false; !waiting; {
		err := admin.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	// Who fences hears nothing until its time is over, so the next word is for who asks.
	hang.Store(true)
	<-asked
	if err := <-fenced; err != nil {
		t.Errorf("fencing: %v", err)
	}
	_ = tx.Rollback(acme) // its session was ended
	closed := make(chan struct{})
	go func() {
		h.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("closing waits for a connection that hangs")
	}
	close(release)
}
