package schema_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"

	"github.com/partywall/partywall/provisioning/schema"
)

func loadAny(files map[string]string) (*schema.Migrations, error) {
	return schema.Load(folder(files), nil)
}

// TestLoadTellsAllMistakes has one mistake in each file.
func TestLoadTellsAllMistakes(t *testing.T) {
	t.Parallel()
	const good = "-- +goose Up\nSELECT 1;\n"
	files := folder(map[string]string{
		"001_good.sql":      good,
		"002_bare.sql":      "SELECT 1;\n",
		"003_open.sql":      "-- +goose Up\nSELECT 1\n",
		"004_open.sql":      "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n",
		"005_empty.sql":     "-- +goose Up\n-- +goose Down\nSELECT 1;\n",
		"006_twice.sql":     good,
		"0006_again.sql":    good,
		"seven.sql":         good,
		"008-dash.sql":      good,
		"009_binary.sql":    "-- +goose Up\nSELECT '\x00';\n",
		"010_latin.sql":     "-- +goose Up\nSELECT '\xe4';\n",
		"011_long.sql":      good + strings.Repeat("-- \n", 1<<19),
		"012_function.go":   "package migrations",
		"013_unknown.sql":   "-- +goose Up\n-- +goose Sideways\nSELECT 1;\n",
		"README.md":         "not SQL",
		"data.csv":          "1,2",
		"helpers.go":        "package migrations",
		"014_test.go":       "package migrations",
		"sub/015_under.sql": "SELECT 1",
	})
	_, err := schema.Load(files, &schema.Options{Table: "drop table", LockTimeout: -1})
	if !errors.Is(err, schema.ErrInvalid) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"002_bare.sql", "003_open.sql", "004_open.sql", "005_empty.sql", "version 6 is there twice", "seven.sql", "008-dash.sql",
		"009_binary.sql", "010_latin.sql", "011_long.sql", "012_function.go", "013_unknown.sql", "LockTimeout", "Options.Table",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told of", want)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 14 {
		t.Errorf("%d mistakes:\n%v", n, err)
	}
	for _, not := range []string{"001_good", "README", "data.csv", "helpers", "014_test", "015_under"} {
		if strings.Contains(err.Error(), not) {
			t.Errorf("%s is told of", not)
		}
	}
	t.Log(err)
}

func TestLoadNothing(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fs.FS{"nil": nil, "empty": fstest.MapFS{}, "no migrations": fstest.MapFS{"README.md": {}}} {
		if _, err := schema.Load(files, nil); !errors.Is(err, schema.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	nothing := func(context.Context, *sql.Tx) error { return nil }
	_, err := schema.Load(fstest.MapFS{"001_a.sql": {Data: []byte("-- +goose Up\nSELECT 1;")}},
		&schema.Options{Go: []*goose.Migration{nil, goose.NewGoMigration(1, &goose.GoFunc{RunTx: nothing}, nil)}})
	if err == nil || !strings.Contains(err.Error(), "nil") || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
}

func TestNewTellsAllMistakes(t *testing.T) {
	t.Parallel()
	_, err := schema.New(nil, nil, nil, nil, &schema.FleetOptions{Workers: -1})
	if !errors.Is(err, schema.ErrInvalid) || strings.Count(err.Error(), "\n") != 4 {
		t.Error(err)
	}
}

// TestReleaseIsOfWords: who puts a comment right does not send everybody
// everywhere.
func TestReleaseIsOfWords(t *testing.T) {
	t.Parallel()
	release := func(sql string) string {
		return load(t, folder(map[string]string{"001_a.sql": sql})).Release()
	}
	first := release("-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;")
	if same := release("-- +goose Up\r\n-- partywall:allow table-without-tenant why\r\ncreate  table A (id /* ! */ int);\r\n"); same != first {
		t.Error("comments, blanks, or the way down make another release")
	}
	if other := release("-- +goose Up\nCREATE TABLE a (id bigint);"); other == first {
		t.Error("another type makes no other release")
	}
}
