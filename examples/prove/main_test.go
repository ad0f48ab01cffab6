package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/partywall/partywall/internal/pgtest"
)

// TestProgram runs it on a database with one hole in it.
func TestProgram(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, nil)
	app := pgtest.Role(t, "prove", "LOGIN")
	conn := db.Conn(t)
	if _, err := conn.Exec(t.Context(), `CREATE TABLE public.orders (tenant_id bigint NOT NULL); GRANT SELECT ON public.orders TO `+app); err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{"table": nil, "json": {"-json"}, "sarif": {"-sarif"}} {
		var out, errOut bytes.Buffer
		args := append([]string{"-dsn", db.As(app)}, flags...)
		if status := run(t.Context(), args, &out, &errOut); status != findings || !strings.Contains(out.String(), "ENABLE ROW LEVEL SECURITY") {
			t.Errorf("%s: %d %s%s", name, status, out.String(), errOut.String())
		}
		if name != "table" && !json.Valid(out.Bytes()) {
			t.Errorf("%s is not JSON: %s", name, out.String())
		}
	}

	// A list of everything that was found leaves nothing.
	var out, errOut bytes.Buffer
	run(t.Context(), []string{"-dsn", db.URL, "-role", app, "-json"}, &out, &errOut)
	var report struct {
		Findings []struct {
			Code   string `json:"code"`
			Object string `json:"object"`
			Reason string `json:"reason"`
		} `json:"findings"`
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s", err, errOut.String())
	}
	allow := filepath.Join(t.TempDir(), "allow.json")
	text, err := json.Marshal(report.Findings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(allow, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if status := run(t.Context(), []string{"-dsn", db.URL, "-role", app, "-allow", allow}, &out, &errOut); status != clean {
		t.Errorf("with everything allowed: %d %s", status, errOut.String())
	}
}

// TestUsage makes mistakes in which a password could be shown.
func TestUsage(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"nothing":      nil,
		"not a flag":   {"-dsnpostgres://u:hunter2@h/d"},
		"not a URL":    {"-dsn", "postgres://u:hunter2@h:port/d"},
		"both formats": {"-dsn", "postgres://u:hunter2@h/d", "-json", "-sarif"},
		"no server":    {"-dsn", "postgres://u:hunter2@127.0.0.1:1/d"},
		"no file":      {"-dsn", "postgres://u:hunter2@127.0.0.1:1/d", "-allow", "/nowhere"},
	} {
		var out, errOut bytes.Buffer
		if status := run(t.Context(), args, &out, &errOut); status != usage || errOut.Len() == 0 || strings.Contains(out.String()+errOut.String(), "hunter2") {
			t.Errorf("%s: %d %s", name, status, errOut.String())
		}
	}
}
