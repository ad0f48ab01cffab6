package storage

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/partywall/partywall/tenant"
)

// Traffic counts what a tenant asked for. Requests count when they are let
// through to the host's bucket, bytes as the tenant sees them.
type Traffic struct {
	// Reads, Writes, Deletes, Lists and Signs are requests. Reads are of files
	// and of their attributes; Writes are copies too; Lists are pages.
	Reads, Writes, Deletes, Lists, Signs int64
	// Refused are requests that the wall turned away.
	Refused int64
	// In and Out are bytes written and read. Bytes that went by signed URLs
	// are in the logs of the store alone.
	In, Out int64
}

// Meter is told of traffic, for bills and graphs.
type Meter interface {
	// Count is called once per request, when it is over. It must not block;
	// the context may have ended.
	Count(ctx context.Context, t tenant.Tenant, more Traffic)
}

// traffic keeps the counters of all tenants. The zero value is ready.
type traffic struct {
	tenants sync.Map // tenant.ID to *counters
}

type counters struct {
	reads, writes, deletes, lists, signs, refused, in, out atomic.Int64
}

// Traffic returns what the tenant asked this process for since it started.
func (b *Buckets) Traffic(id tenant.ID) Traffic {
	found, ok := b.traffic.tenants.Load(id)
	if !ok {
		return Traffic{}
	}
	c, _ := found.(*counters)
	return Traffic{
		Reads: c.reads.Load(), Writes: c.writes.Load(), Deletes: c.deletes.Load(), Lists: c.lists.Load(),
		Signs: c.signs.Load(), Refused: c.refused.Load(), In: c.in.Load(), Out: c.out.Load(),
	}
}

// count adds to a tenant's traffic and tells the meter.
func (b *Buckets) count(ctx context.Context, t tenant.Tenant, more Traffic) {
	found, ok := b.traffic.tenants.Load(t.ID)
	if !ok {
		found, _ = b.traffic.tenants.LoadOrStore(t.ID, &counters{})
	}
	c, _ := found.(*counters)
	c.reads.Add(more.Reads)
	c.writes.Add(more.Writes)
	c.deletes.Add(more.Deletes)
	c.lists.Add(more.Lists)
	c.signs.Add(more.Signs)
	c.refused.Add(more.Refused)
	c.in.Add(more.In)
	c.out.Add(more.Out)
	if b.opts.Meter != nil {
		b.opts.Meter.Count(ctx, t, more)
	}
}
