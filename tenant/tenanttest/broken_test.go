package tenanttest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
	"github.com/partywall/partywall/tenant/memtenant"
	"github.com/partywall/partywall/tenant/tenanttest"
)

// brokenEnv names the broken store that TestBrokenStore runs the kit on.
const brokenEnv = "PARTYWALL_BROKEN_STORE"

// broken has stores that break one promise each, and the test of the kit that
// must notice.
func broken() map[string]struct {
	open    func() tenant.Store
	noticed string
} {
	good := memtenant.New
	return map[string]struct {
		open    func() tenant.Store
		noticed string
	}{
		"loses updates":             {func() tenant.Store { return lastWins{good()} }, "UpdateRace"},
		"gives a slug twice":        {func() tenant.Store { return generous{good()} }, "CreateRace"},
		"keeps the old slug":        {func() tenant.Store { return &nostalgic{Store: good(), born: map[string]tenant.ID{}} }, "Rename"},
		"has its own clock":         {func() tenant.Store { return elsewhere{good()} }, "Create"},
		"stops its clock":           {func() tenant.Store { return stopped{good()} }, "Update"},
		"overlooks labels":          {func() tenant.Store { return careless{good()} }, "ListFilters"},
		"takes any mark":            {func() tenant.Store { return trusting{good()} }, "ChangesRewound"},
		"swallows errors":           {func() tenant.Store { return silent{good()} }, "ChangesFail"},
		"feeds all but one":         {func() tenant.Store { return &leaky{Store: good()} }, "Changes"},
		"feeds no tombstones":       {func() tenant.Store { return squeamish{good()} }, "Changes"},
		"feeds by time of writing":  {func() tenant.Store { return &early{Store: good(), hidden: map[tenant.ID]*tenant.Tenant{}} }, "ChangesLateCommit"},
		"does not end with its ctx": {func() tenant.Store { return endless{good()} }, "Cancelled"},
		"watches for a moment":      {func() tenant.Store { return brief{good()} }, "Watch"},
		"makes keys up as it goes":  {func() tenant.Store { return fickle{good()} }, "EnvelopeKeys"},
		"returns what it was given": {func() tenant.Store { return parrot{good()} }, "Update"},
		"is good":                   {func() tenant.Store { return good() }, ""}, // the control
	}
}

// The kit is only worth what it notices.
func TestKitNoticesBrokenStores(t *testing.T) {
	t.Parallel()
	failed := regexp.MustCompile(`--- FAIL: TestBrokenStore/(\w+)`)
	for name, c := range broken() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := "^TestBrokenStore$"
			if c.noticed != "" {
				run += "/^" + c.noticed + "$"
			}
			// A test that fails cannot be run inside one that passes. Of the kit
			// that part is run which must notice: others would wait in vain.
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run="+run)
			cmd.Env = append(os.Environ(), brokenEnv+"="+name)
			out, err := cmd.CombinedOutput()
			var noticed []string
			for _, match := range failed.FindAllSubmatch(out, -1) {
				noticed = append(noticed, string(match[1]))
			}
			switch {
			case c.noticed == "" && err != nil:
				t.Errorf("the control fails: %v\n%s", err, out)
			case c.noticed != "" && !slices.Contains(noticed, c.noticed):
				t.Errorf("noticed by %v, want %s: %v\n%s", noticed, c.noticed, err, tail(out))
			}
		})
	}
}

func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }

// TestBrokenStore is what TestKitNoticesBrokenStores runs.
func TestBrokenStore(t *testing.T) {
	t.Parallel()
	c, ok := broken()[os.Getenv(brokenEnv)]
	if !ok {
		return // by itself it has nothing to do
	}
	tenanttest.Run(t, func(*testing.T) tenant.Store { return c.open() })
}

// lastWins updates whatever version it is given.
type lastWins struct{ *memtenant.Store }

func (s lastWins) Update(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	for {
		now, err := s.Find(ctx, tenant.ByID(t.ID))
		if err != nil {
			return tenant.Tenant{}, err
		}
		t.Version = now.Version
		if updated, err := s.Store.Update(ctx, t); !errors.Is(err, tenant.ErrConflict) {
			return updated, err
		}
	}
}

// generous tells everybody who wants a slug that it is theirs.
type generous struct{ *memtenant.Store }

func (s generous) Create(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	made, err := s.Store.Create(ctx, t)
	if errors.Is(err, tenant.ErrSlugTaken) {
		return s.Find(ctx, tenant.BySlug(t.Slug))
	}
	return made, err
}

// nostalgic finds tenants by the slug that they were created with.
type nostalgic struct {
	*memtenant.Store

	mu   sync.Mutex
	born map[string]tenant.ID
}

func (s *nostalgic) Create(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	made, err := s.Store.Create(ctx, t)
	if err == nil {
		s.mu.Lock()
		s.born[made.Slug] = made.ID
		s.mu.Unlock()
	}
	return made, err
}

func (s *nostalgic) Find(ctx context.Context, key tenant.Key) (tenant.Tenant, error) {
	if slug, ok := key.Slug(); ok {
		s.mu.Lock()
		if id, ok := s.born[slug]; ok {
			key = tenant.ByID(id)
		}
		s.mu.Unlock()
	}
	return s.Store.Find(ctx, key)
}

// elsewhere tells the time of another place.
type elsewhere struct{ *memtenant.Store }

func (s elsewhere) Create(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	made, err := s.Store.Create(ctx, t)
	made.CreatedAt = made.CreatedAt.In(time.FixedZone("elsewhere", 3600))
	return made, err
}

// stopped says that nothing has changed since the beginning.
type stopped struct{ *memtenant.Store }

func (s stopped) Update(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	updated, err := s.Store.Update(ctx, t)
	updated.UpdatedAt = updated.CreatedAt
	return updated, err
}

func (s stopped) Find(ctx context.Context, key tenant.Key) (tenant.Tenant, error) {
	found, err := s.Store.Find(ctx, key)
	found.UpdatedAt = found.CreatedAt
	return found, err
}

// careless lists without a look at labels.
type careless struct{ *memtenant.Store }

func (s careless) List(ctx context.Context, q tenant.Query) (tenant.Page, error) {
	if q.Cursor == "" {
		q.Labels = tenant.Labels{}
	}
	return s.Store.List(ctx, q)
}

// trusting begins anew, without a word, for a mark that it does not know.
type trusting struct{ *memtenant.Store }

func (s trusting) Changes(ctx context.Context, since tenant.Mark, each func(tenant.Tenant) error) (tenant.Mark, error) {
	mark, err := s.Store.Changes(ctx, since, each)
	if errors.Is(err, tenant.ErrRewound) {
		return s.Store.Changes(ctx, "", each)
	}
	return mark, err
}

// silent goes on when each fails.
type silent struct{ *memtenant.Store }

func (s silent) Changes(ctx context.Context, since tenant.Mark, each func(tenant.Tenant) error) (tenant.Mark, error) {
	return s.Store.Changes(ctx, since, func(t tenant.Tenant) error {
		_ = each(t)
		return nil
	})
}

// leaky forgets the first change of every answer but the first one.
type leaky struct{ *memtenant.Store }

func (s *leaky) Changes(ctx context.Context, since tenant.Mark, each func(tenant.Tenant) error) (tenant.Mark, error) {
	first := since != ""
	return s.Store.Changes(ctx, since, func(t tenant.Tenant) error {
		if first {
			first = false
			return nil
		}
		return each(t)
	})
}

// squeamish does not tell of the dead.
type squeamish struct{ *memtenant.Store }

func (s squeamish) Changes(ctx context.Context, since tenant.Mark, each func(tenant.Tenant) error) (tenant.Mark, error) {
	return s.Store.Changes(ctx, since, func(t tenant.Tenant) error {
		if t.Status == tenant.Deleted {
			return nil
		}
		return each(t)
	})
}

// early stamps a change when it is written, and shows it when it is committed:
// what feeds by a sequence or by a clock do.
type early struct {
	*memtenant.Store

	mu     sync.Mutex
	hidden map[tenant.ID]*tenant.Tenant // as others see them, nil for not at all
}

// Hold implements tenanttest.Holder.
func (s *early) Hold(*testing.T) (tenant.Records, func(bool)) {
	tx := &earlyTx{Store: s.Store, all: s}
	return tx, func(commit bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, id := range tx.touched {
			if commit {
				delete(s.hidden, id)
			}
		}
	}
}

func (s *early) Changes(ctx context.Context, since tenant.Mark, each func(tenant.Tenant) error) (tenant.Mark, error) {
	return s.Store.Changes(ctx, since, func(t tenant.Tenant) error {
		s.mu.Lock()
		before, hidden := s.hidden[t.ID]
		s.mu.Unlock()
		switch {
		case !hidden:
			return each(t)
		case before != nil:
			return each(*before)
		}
		return nil
	})
}

type earlyTx struct {
	*memtenant.Store

	all     *early
	touched []tenant.ID
}

func (tx *earlyTx) hide(id tenant.ID, before *tenant.Tenant) {
	tx.all.mu.Lock()
	defer tx.all.mu.Unlock()
	tx.all.hidden[id] = before
	tx.touched = append(tx.touched, id)
}

func (tx *earlyTx) Create(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	tx.hide(t.ID, nil)
	return tx.Store.Create(ctx, t)
}

func (tx *earlyTx) Update(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	before, err := tx.Find(ctx, tenant.ByID(t.ID))
	if err != nil {
		return tenant.Tenant{}, err
	}
	tx.hide(t.ID, &before)
	return tx.Store.Update(ctx, t)
}

// endless does what it is asked for whoever has gone.
type endless struct{ *memtenant.Store }

func (s endless) Update(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	return s.Store.Update(context.WithoutCancel(ctx), t)
}

// brief gives up watching after the first wake.
type brief struct{ *memtenant.Store }

func (brief) Watch(_ context.Context, wake func()) error {
	wake()
	return errors.New("had enough")
}

// fickle has other keys each time.
type fickle struct{ *memtenant.Store }

func (s fickle) EnvelopeKeys(ctx context.Context) (tenant.Keyring, error) {
	return memtenant.New().EnvelopeKeys(ctx)
}

// parrot returns what it was given, not what it has kept.
type parrot struct{ *memtenant.Store }

func (s parrot) Update(ctx context.Context, t tenant.Tenant) (tenant.Tenant, error) {
	updated, err := s.Store.Update(ctx, t)
	if err != nil {
		return updated, err
	}
	t.Version, t.UpdatedAt = updated.Version, updated.UpdatedAt
	return t, nil
}
