package isolation

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/isolation/prove"
)

// inspectTime is how long a server has to answer for its wall.
const inspectTime = time.Minute

// inspect makes sure that the wall is standing in a database, or in one schema
// of it if that is named, seen with the eyes of the role that serves tenants.
func (s *server) inspect(ctx context.Context, p place, schema string) error {
	report, err := s.prove(ctx, p, schema)
	if err != nil {
		return err
	}
	report, unused := report.Without(s.opts.Allow)
	s.use(unused)
	s.warn(ctx, p.dialer.config.Database, report)
	breaches := report.Only(prove.Breach)
	if len(breaches) == 0 {
		return nil
	}
	unsafe := &UnsafeError{Server: s.name, Database: p.dialer.config.Database}
	for _, f := range breaches {
		unsafe.Findings = append(unsafe.Findings, f.String())
	}
	return unsafe
}

// prove looks at the catalogues of a database as the role that serves tenants.
func (s *server) prove(ctx context.Context, p place, schema string) (*prove.Report, error) {
	if err := s.looking.take(ctx); err != nil {
		return nil, fmt.Errorf("isolation: server %q: waiting to look at a database: %w", s.name, err)
	}
	defer s.looking.leave()
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	config := p.dialer.config.Copy()
	if !s.config.Pooled { // poolers refuse settings that they do not know
		config.RuntimeParams["jit"] = "off" // each question is asked once, and takes less time than to compile it
	}
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("isolation: server %q: connecting as %s: %w", s.name, config.User, err)
	}
	defer hangUp(c)
	report, err := prove.Catalog(ctx, c, &prove.Options{
		Wall: s.role(), TenantColumn: s.opts.TenantColumn, Schema: schema, Secret: s.opts.Secret,
	})
	if err != nil {
		return nil, fmt.Errorf("isolation: server %q: %w", s.name, err)
	}
	return report, nil
}

// role is the role of the wall that App's role must be a member of.
func (s *server) role() string {
	if s.config.Pooled {
		return "partywall_pooled"
	}
	return "partywall_app"
}

// use notes which allowed findings are there: those that are not unused.
func (s *server) use(unused []prove.Allow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.opts.Allow {
		if !slices.Contains(unused, a) {
			s.allowed[a] = true
		}
	}
}

// warn logs what does not stop the opening, each finding once.
func (s *server) warn(ctx context.Context, database string, report *prove.Report) {
	for _, f := range report.Findings {
		level := slog.LevelInfo
		switch f.Severity {
		case prove.Breach:
			continue
		case prove.Warning:
			level = slog.LevelWarn
		}
		f.Server, f.Database = s.name, database
		s.mu.Lock()
		told := s.told[f]
		s.told[f] = true
		s.mu.Unlock()
		if !told {
			s.opts.Logger.Log(ctx, level, "isolation: "+f.String(), "server", s.name, "database", database, "code", f.Code, "object", f.Object)
		}
	}
}

// unusedAllow returns an error for each allowed finding that no server has.
func (db *DB) unusedAllow() error {
	unused := slices.DeleteFunc(slices.Clone(db.opts.Allow), func(a prove.Allow) bool {
		for _, s := range db.servers {
			s.mu.Lock()
			used := s.allowed[a]
			s.mu.Unlock()
			if used {
				return true
			}
		}
		return false
	})
	if err := prove.UnusedError(unused); err != nil {
		return fmt.Errorf("isolation: Options.Allow: %w", err)
	}
	return nil
}

// Prove looks for ways around the wall in every database that is open, with
// the eyes of the role that serves tenants, and returns what it finds that is
// not allowed by Options.Allow: also what [Open] only logs. It fails when a
// database does not answer. For a test of the host's there is [prove.Check].
func (db *DB) Prove(ctx context.Context) (*prove.Report, error) {
	all := &prove.Report{}
	for _, s := range db.servers {
		for _, p := range s.opened() {
			report, err := s.prove(ctx, p, "")
			if err != nil {
				return nil, err
			}
			left, _ := report.Without(s.opts.Allow)
			all.Add(left, s.name, p.dialer.config.Database)
		}
	}
	return all, nil
}

// opened lists the databases that statements may go to.
func (s *server) opened() []place {
	s.mu.Lock()
	defer s.mu.Unlock()
	var places []place
	for _, d := range s.databases {
		if d.safe.Load() {
			places = append(places, d.place)
		}
	}
	return places
}
