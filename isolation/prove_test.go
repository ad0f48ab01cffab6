package isolation_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/isolation/prove"
)

// TestProveIsCleanEverywhere looks at every database of a house.
func TestProveIsCleanEverywhere(t *testing.T) {
	t.Parallel()
	prove.Check(t, build(t, nil))
}

// TestProveFindsWhatOpenLetsPass opens in spite of what weakens the wall
// without opening it, which it logs once as a warning, and says it again when
// asked.
func TestProveFindsWhatOpenLetsPass(t *testing.T) {
	t.Parallel()
	for code, hole := range map[string]struct {
		sql   string
		finds int
	}{
		"key-without-tenant": {`ALTER TABLE public.orders ADD CONSTRAINT one_item UNIQUE (item)`, 1},
		"foreign-key-without-tenant": {`CREATE TABLE public.parcels (tenant_id bigint NOT NULL DEFAULT partywall.tenant(), item text);
			ALTER TABLE public.orders ADD CONSTRAINT one_item UNIQUE (item);
			ALTER TABLE public.parcels ADD FOREIGN KEY (item) REFERENCES public.orders (item); SELECT partywall.protect('public.parcels')`, 2}, // what it refers to is a key without it
		"function-leakproof": {`CREATE FUNCTION public.peek(text) RETURNS boolean LANGUAGE sql LEAKPROOF AS 'SELECT true'`, 1},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			h := build(t, nil)
			if _, err := h.data.Conn(t).Exec(t.Context(), hole.sql); err != nil {
				t.Fatal(err)
			}
			report, err := h.Prove(t.Context())
			if err != nil || len(report.Findings) != hole.finds || len(report.Only(prove.Warning)) != hole.finds {
				t.Fatalf("got %v, %v", report, err)
			}
			i := slices.IndexFunc(report.Findings, func(f prove.Finding) bool { return f.Code == code })
			if i < 0 || report.Findings[i].Server != "eu-1" || report.Findings[i].Database != h.data.Name {
				t.Fatalf("got %v", report)
			}
			var log bytes.Buffer
			h.opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
			if err := h.openAgain(t, ""); err != nil {
				t.Fatal(err)
			}
			lines := slices.DeleteFunc(strings.Split(log.String(), "\n"), func(line string) bool { return !strings.Contains(line, "code="+code+" ") })
			if len(lines) != 1 || !strings.Contains(lines[0], "level=WARN") {
				t.Errorf("logged %s", log.String())
			}
		})
	}
}

// TestSecretColumns opens with a secret, which is one in every schema that has
// the table.
func TestSecretColumns(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	h.opts.Secret = []string{"orders.item"}
	var log bytes.Buffer
	h.opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	if err := h.openAgain(t, ""); err != nil {
		t.Fatal(err)
	}
	for _, object := range []string{"object=orders.item", "object=initech.orders.item"} {
		if strings.Count(log.String(), object) != 1 {
			t.Errorf("%s is not in what was logged: %s", object, log.String())
		}
	}
}

// TestAllowedFindings opens in spite of a breach that is allowed, and not with
// a list that says too little or too much.
func TestAllowedFindings(t *testing.T) {
	t.Parallel()
	h := build(t, nil)
	if _, err := h.data.Conn(t).Exec(t.Context(), `CREATE TABLE public.news (id int); GRANT SELECT ON public.news TO partywall_app`); err != nil {
		t.Fatal(err)
	}
	meant := prove.Allow{Code: "table-undeclared", Object: "news", Reason: "read by everybody until the next release"}
	for name, c := range map[string]struct {
		allow []prove.Allow
		says  string // "" for what opens
	}{
		"nothing allowed":  {nil, "neither protected nor shared"},
		"allowed":          {[]prove.Allow{meant}, ""},
		"without a reason": {[]prove.Allow{{Code: meant.Code, Object: meant.Object}}, "Options.Allow"},
		"out of date":      {[]prove.Allow{meant, {Code: "rule", Object: "orders.r", Reason: "old"}}, "is not there any more"},
	} {
		h.opts.Allow = c.allow
		err := h.openAgain(t, "")
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestProbeFindsNoWay tries every pair of strategies, and that nothing of it
// stays.
func TestProbeFindsNoWay(t *testing.T) {
	t.Parallel()
	for door, change := range doors() {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			h := build(t, change)
			for i, slug := range slugs() {
				for _, to := range slugs()[i+1:] {
					if report, err := prove.Probe(t.Context(), h, h.who[slug], h.who[to]); err != nil || !report.Clean() {
						t.Errorf("%s and %s: %v, %v", slug, to, report, err)
					}
				}
			}
			for _, slug := range slugs() {
				var n int
				if err := h.QueryRow(h.as(t, slug), `SELECT count(*) FROM orders`).Scan(&n); err != nil || n != 1 {
					t.Errorf("%s has %d orders left, %v", slug, n, err)
				}
			}
		})
	}
	h := build(t, nil)
	if _, err := prove.Probe(t.Context(), h, h.who["acme"], h.who["acme"]); err == nil {
		t.Error("one tenant is probed against itself")
	}
}

// TestProbeFindsTheHole widens a policy while the house is open, and hands out
// the mark.
func TestProbeFindsTheHole(t *testing.T) {
	t.Parallel()
	h := build(t, impatient)
	if _, err := h.data.Conn(t).Exec(t.Context(), `ALTER POLICY partywall_bound ON public.orders USING (true) WITH CHECK (tenant_id > 0);
		GRANT UPDATE ON SEQUENCE partywall.mark TO partywall_app`); err != nil {
		t.Fatal(err)
	}
	report, err := prove.Probe(t.Context(), h, h.who["acme"], h.who["globex"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"probe-read", "probe-delete", "probe-move", "probe-write", "probe-forge"} {
		if !strings.Contains(report.String(), want) {
			t.Errorf("%s is not in\n%v", want, report)
		}
	}
}
