package prove_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/partywall/partywall/isolation/prove"
)

func sample() *prove.Report {
	return &prove.Report{Findings: []prove.Finding{
		{Severity: prove.Breach, Code: "rule", Object: "orders.r", Reason: "rule r", SQL: "DROP RULE r ON orders", Database: "shop", Server: "eu-1"},
		{Severity: prove.Info, Code: "ssl", Object: "ssl", Reason: "no <TLS>"},
	}}
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	got := sample().String()
	for _, want := range []string{"breach", "eu-1/shop: rule r", "DROP RULE r ON orders;", "no <TLS>"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if got := (&prove.Report{}).String(); got != "no findings\n" {
		t.Errorf("got %q", got)
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back prove.Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || len(back.Findings) != 2 || back.Findings[0] != sample().Findings[0] {
		t.Errorf("got %v, %v", back, err)
	}
	b.Reset()
	if err := (&prove.Report{}).WriteJSON(&b); err != nil || !strings.Contains(b.String(), `"findings": []`) {
		t.Errorf("got %s, %v", b.String(), err)
	}
}

// TestWriteSARIF holds the output against what SARIF 2.1.0 requires: version
// and runs; a run's tool with a named driver; a result's message; levels from
// its list; rules by unique ids.
func TestWriteSARIF(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().WriteSARIF(&b); err != nil {
		t.Fatal(err)
	}
	var log struct {
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
			Results []struct {
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
			} `json:"results"`
		} `json:"runs"`
	}
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" || len(log.Runs[0].Tool.Driver.Rules) != 2 {
		t.Fatalf("got %s", b.String())
	}
	first := log.Runs[0].Results[0]
	if first.RuleID != "rule" || first.Level != "error" || first.Message.Text != "rule r; run: DROP RULE r ON orders" ||
		first.Locations[0].LogicalLocations[0].FullyQualifiedName != "eu-1/shop/orders.r" {
		t.Errorf("got %+v", first)
	}
	if got := log.Runs[0].Results[1].Level; got != "note" {
		t.Errorf("got level %q", got)
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	meant := prove.Allow{Code: "ssl", Object: "ssl", Reason: "a unix socket"}
	stale := prove.Allow{Code: "ssl", Object: "tls", Reason: "a unix socket"}
	left, unused := sample().Without([]prove.Allow{meant, stale})
	if len(left.Findings) != 1 || len(unused) != 1 || unused[0] != stale || prove.UnusedError(unused) == nil {
		t.Errorf("left %v, unused %v", left, unused)
	}
	if err := prove.ValidateAllow([]prove.Allow{meant}); err != nil {
		t.Error(err)
	}
	if err := prove.ValidateAllow([]prove.Allow{{Code: "ssl", Object: "ssl", Reason: " "}}); err == nil {
		t.Error("an entry without a reason passes")
	}
}

// record is a test that only takes notes.
type record struct {
	prove.TB

	ctx    context.Context
	errors []string
}

func (*record) Helper()                    {}
func (r *record) Context() context.Context { return r.ctx }
func (r *record) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// proved is a prover that knows its answer.
type proved struct {
	report *prove.Report
	err    error
}

func (p proved) Prove(context.Context) (*prove.Report, error) { return p.report, p.err }

func TestCheck(t *testing.T) {
	t.Parallel()
	for want, p := range map[int]proved{0: {report: &prove.Report{}}, 1: {err: errors.New("no answer")}, 2: {report: sample()}} {
		r := &record{ctx: t.Context()}
		prove.Check(r, p)
		if len(r.errors) != want {
			t.Errorf("want %d errors: %v", want, r.errors)
		}
	}
}
