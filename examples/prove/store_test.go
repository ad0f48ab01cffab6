package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/partywall/partywall/examples/internal/private"
	"github.com/partywall/partywall/examples/recordstore/chain"
	"github.com/partywall/partywall/examples/recordstore/records"
	"github.com/partywall/partywall/internal/pgtest"
	"github.com/partywall/partywall/isolation/prove"
	"github.com/partywall/partywall/tenant"
)

// store is the record store's server, by the URLs of its databases: that of the
// shared tables and the schemas, and that of a store that has one to itself.
type store struct {
	app, migrator [2]string
	schema        string // of a store that has one to itself
}

// stores is the smallest chain with all three strategies in it.
const stores = 6

// open makes a record store as examples/recordstore does.
func open(t *testing.T) store {
	t.Helper()
	server, err := private.Start(t.Context(), pgtest.New(t, nil).URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	urls, err := server.Create(t.Context(), "catalog", "stores")
	if err != nil {
		t.Fatal(err)
	}
	redis, err := private.StartRedis(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = redis.Stop(t.Context()) }() // it is inside this process
	s := store{app: [2]string{server.As(urls[1], "recordstore")}, migrator: [2]string{urls[1]}}
	c, err := chain.Open(t.Context(), chain.Config{
		Catalog: urls[0], App: s.app[0], Migrator: s.migrator[0], Logger: slog.New(slog.DiscardHandler),
		Redis: redis.Options, Folder: t.TempDir(),
		Database: func(slug string) string {
			name := server.Name("store_" + slug)
			server.Adopt(name)
			return name
		},
	}, records.Sample(stores))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for who, err := range c.Tenants.All(t.Context(), tenant.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		switch who.Placement.Strategy {
		case tenant.Database:
			s.app[1], s.migrator[1] = in(t, s.app[0], who.Placement.Database), in(t, s.migrator[0], who.Placement.Database)
		case tenant.Schema:
			s.schema = who.Placement.Schema
		}
	}
	if s.schema == "" || s.app[1] == "" {
		t.Fatal("the chain does not keep its stores in every way")
	}
	return s
}

// in is a URL that leads to another database.
func in(t *testing.T, target, database string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}

// program runs the command and returns what it prints and its exit status.
func program(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out, errOut bytes.Buffer
	status := run(t.Context(), args, &out, &errOut)
	if errOut.Len() > 0 {
		t.Errorf("%q: %s", args, errOut.String())
	}
	return out.String(), status
}

// TestRecordStoreIsClean looks at both databases of the record store, with the
// eyes of its role and from outside.
func TestRecordStoreIsClean(t *testing.T) {
	t.Parallel()
	s := open(t)
	config, err := pgx.ParseConfig(s.app[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, app := range s.app {
		for _, args := range [][]string{{"-dsn", app}, {"-dsn", s.migrator[i], "-role", config.User}} {
			if out, status := program(t, args...); status != clean || out != "no findings\n" {
				t.Errorf("database %d: %d %s", i, status, out)
			}
		}
		if out, status := program(t, "-dsn", app, "-json"); status != clean || out != "{\n  \"findings\": []\n}\n" {
			t.Errorf("database %d: %d %s", i, status, out)
		}
		out, status := program(t, "-dsn", app, "-sarif")
		if results := readSARIF(t, out); status != clean || len(results) != 0 {
			t.Errorf("database %d: %d %s", i, status, out)
		}
	}
}

// careless are mistakes in the record store's first database, {schema} being
// that of a store that has one to itself, and what each output says of them.
func careless() []prove.Finding {
	return []prove.Finding{
		{Severity: prove.Breach, Code: "policy-changed", Object: "{schema}.invoice"},
		{Severity: prove.Breach, Code: "policy-extra", Object: "customer.reports"},
		{Severity: prove.Breach, Code: "table-right", Object: "customer"},
		{Severity: prove.Breach, Code: "table-right", Object: "invoice_line"},
		{Severity: prove.Warning, Code: "key-without-tenant", Object: "one_invoice"},
		{Severity: prove.Info, Code: "tenant-column-default", Object: "customer"},
	}
}

const mistakes = `
	ALTER TABLE {schema}.invoice NO FORCE ROW LEVEL SECURITY;
	CREATE POLICY reports ON public.customer USING (true);
	GRANT TRUNCATE ON public.customer, public.invoice_line TO partywall_app;
	ALTER TABLE public.invoice ADD CONSTRAINT one_invoice UNIQUE (invoice_id);
	ALTER TABLE public.customer ALTER COLUMN tenant_id DROP DEFAULT;`

// TestCarelessRecordStore reads what is printed of some mistakes, in all three
// formats, and runs the SQL that closes them.
func TestCarelessRecordStore(t *testing.T) {
	t.Parallel()
	s := open(t)
	schema := strings.NewReplacer("{schema}", s.schema)
	s.execute(t, schema.Replace(mistakes))
	want := careless()
	for i := range want {
		want[i].Object = schema.Replace(want[i].Object)
	}

	out, status := program(t, "-dsn", s.app[0], "-json")
	if status != findings {
		t.Fatalf("%d: %s", status, out)
	}
	found := sameAsJSON(t, out, want)
	text, status := program(t, "-dsn", s.app[0])
	sameAsText(t, text, found)
	sarif, sarifStatus := program(t, "-dsn", s.app[0], "-sarif")
	sameAsSARIF(t, sarif, found)
	if status != findings || sarifStatus != findings {
		t.Errorf("ends with %d and %d", status, sarifStatus)
	}
	for _, f := range found {
		s.execute(t, f.SQL)
	}
	if out, status := program(t, "-dsn", s.app[0]); status != clean {
		t.Errorf("closed, and says %d %s", status, out)
	}
}

// execute runs SQL as the migrator, on the first database.
func (s store) execute(t *testing.T, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.migrator[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// sameAsJSON wants each finding, and returns them with their reason and SQL. It
// knows the names of the fields by itself: programs read them.
func sameAsJSON(t *testing.T, text string, want []prove.Finding) []prove.Finding {
	t.Helper()
	var report struct {
		Findings []struct {
			Severity string `json:"severity"`
			Code     string `json:"code"`
			Object   string `json:"object"`
			Reason   string `json:"reason"`
			SQL      string `json:"sql"`
			Note     string `json:"note"`
		} `json:"findings"`
	}
	reader := json.NewDecoder(strings.NewReader(text))
	reader.DisallowUnknownFields()
	if err := reader.Decode(&report); err != nil || len(report.Findings) != len(want) {
		t.Fatalf("%d findings wanted, %v: %s", len(want), err, text)
	}
	found := slices.Clone(want)
	for i, f := range report.Findings {
		if f.Severity != string(want[i].Severity) || f.Code != want[i].Code || f.Object != want[i].Object || f.Reason == "" || f.SQL == "" {
			t.Errorf("got %+v, want %+v", f, want[i])
		}
		found[i].Reason, found[i].SQL = f.Reason, f.SQL
	}
	return found
}

// sameAsText wants a line for each finding, and the SQL in the next.
func sameAsText(t *testing.T, text string, want []prove.Finding) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 2*len(want) {
		t.Fatalf("%d lines for %d findings:\n%s", len(lines), len(want), text)
	}
	for i, f := range want {
		line, sql := lines[2*i], strings.TrimSpace(lines[2*i+1])
		if words := strings.Fields(line); words[0] != string(f.Severity) || words[1] != f.Code || !strings.HasSuffix(line, f.Reason) || sql != f.SQL+";" {
			t.Errorf("of %s it says:\n%s\n%s", f.Code, line, sql)
		}
	}
}

// sarifResult is a result with what SARIF 2.1.0 asks for, and what code hosts
// show.
type sarifResult struct {
	RuleID  string `json:"ruleId"`
	Level   string `json:"level"`
	Message struct {
		Text string `json:"text"`
	} `json:"message"`
	Locations []struct {
		LogicalLocations []struct {
			FullyQualifiedName string `json:"fullyQualifiedName"`
		} `json:"logicalLocations"`
	} `json:"locations"`
}

// readSARIF reads the one run of a log, in which there is nothing but what
// SARIF 2.1.0 knows, and the rules of the results are all there, once.
func readSARIF(t *testing.T, text string) []sarifResult {
	t.Helper()
	var log struct {
		Schema  string `json:"$schema"`
		Version string `json:"version"`
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string `json:"name"`
					Rules []struct {
						ID string `json:"id"`
					} `json:"rules"`
				} `json:"driver"`
			} `json:"tool"`
			Results []sarifResult `json:"results"`
		} `json:"runs"`
	}
	reader := json.NewDecoder(strings.NewReader(text))
	reader.DisallowUnknownFields()
	if err := reader.Decode(&log); err != nil || log.Version != "2.1.0" || !strings.HasSuffix(log.Schema, "/sarif-2.1.0.json") ||
		len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" || log.Runs[0].Results == nil {
		t.Fatalf("%v: %s", err, text)
	}
	used, rules := map[string]bool{}, map[string]bool{}
	for _, r := range log.Runs[0].Results {
		used[r.RuleID] = true
	}
	for _, r := range log.Runs[0].Tool.Driver.Rules {
		if rules[r.ID] {
			t.Errorf("rule %s is there twice", r.ID)
		}
		rules[r.ID] = true
	}
	if !maps.Equal(used, rules) {
		t.Errorf("rules %v for results of %v", rules, used)
	}
	return log.Runs[0].Results
}

// sameAsSARIF wants a result for each finding.
func sameAsSARIF(t *testing.T, text string, want []prove.Finding) {
	t.Helper()
	results := readSARIF(t, text)
	if len(results) != len(want) {
		t.Fatalf("%d results for %d findings: %s", len(results), len(want), text)
	}
	levels := map[prove.Severity]string{prove.Breach: "error", prove.Warning: "warning", prove.Info: "note"}
	for i, f := range want {
		r := results[i]
		if r.RuleID != f.Code || r.Level != levels[f.Severity] || !strings.Contains(r.Message.Text, f.Reason) || !strings.Contains(r.Message.Text, f.SQL) ||
			len(r.Locations) != 1 || len(r.Locations[0].LogicalLocations) != 1 || r.Locations[0].LogicalLocations[0].FullyQualifiedName != f.Object {
			t.Errorf("of %s it says %+v", f.Code, r)
		}
	}
}
