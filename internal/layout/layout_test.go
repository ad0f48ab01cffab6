package layout_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/partywall/partywall/internal/layout"
)

func TestModule(t *testing.T) {
	t.Parallel()

	root := os.DirFS("../..")

	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}

	if !strings.HasPrefix(string(text), "module "+layout.Module+"\n") {
		t.Errorf("go.mod is not of %s", layout.Module)
	}

	findings, err := layout.Check(root)
	if err != nil {
		t.Fatal(err)
	}

	for _, finding := range findings {
		t.Error(finding)
	}
}

// tree makes files out of lines like "tenant/a.go: fmt tenant/settings". An
// import that begins with a folder of the module is of the module.
func tree(t *testing.T, lines ...string) fstest.MapFS {
	t.Helper()

	files := fstest.MapFS{}

	for _, line := range lines {
		name, imports, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("no colon in %q", line)
		}

		text := "package p\n"

		for dep := range strings.FieldsSeq(imports) {
			if inner, ok := strings.CutPrefix(dep, "~/"); ok {
				dep = layout.Module + "/" + inner
			}

			text += "import _ \"" + dep + "\"\n"
		}

		files[name] = &fstest.MapFile{Data: []byte(text)}
	}

	return files
}

// TestRulesFind breaks each rule in a small tree.
func TestRulesFind(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		files []string
		want  []string
	}{
		"unknown folder": {
			[]string{"pkg/a.go: fmt"},
			[]string{"folder: pkg is not one of the fixed folders"},
		},
		"code in the root": {
			[]string{"doc.go:", "partywall.go: fmt"},
			[]string{"folder: . holds partywall.go: the root has doc.go only"},
		},
		"the root imports": {
			[]string{"doc.go: ~/tenant", "tenant/a.go:"},
			[]string{"tree: . imports tenant"},
		},
		"siblings": {
			[]string{"storage/a.go: ~/cache", "cache/a.go:"},
			[]string{"tree: storage imports cache"},
		},
		"siblings in tests": {
			[]string{"isolation/a_test.go: ~/billing/meter", "billing/meter/a.go:"},
			[]string{"tree: isolation imports billing/meter"},
		},
		"upwards": {
			[]string{"tenant/privacy/a.go: ~/isolation", "isolation/a.go:"},
			[]string{"tree: tenant/privacy imports isolation"},
		},
		"provisioning and storage": {
			[]string{"provisioning/backup/a.go: ~/storage", "storage/a.go:"},
			[]string{"tree: provisioning/backup imports storage"},
		},
		"internal imports a public package": {
			[]string{"internal/service/a.go: ~/tenant", "tenant/a.go:"},
			[]string{"tree: internal/service imports tenant"},
		},
		"tenant imports a module": {
			[]string{"tenant/a.go: github.com/jackc/pgx/v5"},
			[]string{"stdlib: tenant imports github.com/jackc/pgx/v5"},
		},
		"tenant imports its child": {
			[]string{"tenant/a.go: ~/internal/x", "internal/x/a.go:"},
			[]string{"stdlib: tenant imports " + layout.Module + "/internal/x"},
		},
		"heavy dependency away from home": {
			[]string{"tenant/httptenant/a.go: google.golang.org/grpc/codes"},
			[]string{"home: tenant/httptenant links google.golang.org/grpc/codes through tenant/httptenant"},
		},
		"analysis away from home": {
			[]string{"isolation/a.go: golang.org/x/tools/go/analysis"},
			[]string{"home: isolation links golang.org/x/tools/go/analysis through isolation"},
		},
		"heavy dependency through another package": {
			[]string{
				"billing/a.go: ~/billing/stripebilling",
				"billing/stripebilling/a.go: github.com/stripe/stripe-go/v85",
			},
			[]string{"home: billing links github.com/stripe/stripe-go/v85 through billing/stripebilling"},
		},
		"heavy dependency in tests": {
			[]string{"isolation/a_test.go: github.com/redis/go-redis/v9"},
			[]string{"home: isolation links in its tests github.com/redis/go-redis/v9 through isolation"},
		},
		"OpenTelemetry SDK in a library": {
			[]string{"cache/a.go: go.opentelemetry.io/otel/sdk/metric"},
			[]string{"home: cache links go.opentelemetry.io/otel/sdk/metric through cache"},
		},
		"gorm in a library's tests": {
			[]string{"isolation/a_test.go: gorm.io/gorm"},
			[]string{"home: isolation links in its tests gorm.io/gorm through isolation"},
		},
		"testcontainers elsewhere": {
			[]string{"internal/bench/main.go: github.com/testcontainers/testcontainers-go"},
			[]string{"home: internal/bench links github.com/testcontainers/testcontainers-go through internal/bench"},
		},
		"embedded in a library's tests": {
			[]string{"cache/a_test.go: ~/internal/embedded", "internal/embedded/a.go:"},
			[]string{"embedded: cache links internal/embedded through cache"},
		},
		"embedded through a helper": {
			[]string{
				"cache/a_test.go: ~/internal/pgtest", "internal/pgtest/a.go: ~/internal/embedded", "internal/embedded/a.go:",
			},
			[]string{"embedded: cache links internal/embedded through internal/pgtest"},
		},
		"importing the trials": {
			[]string{"internal/bench/a.go: ~/internal/trial", "internal/trial/a.go: ~/tenant", "tenant/a.go:"},
			[]string{"program: internal/bench imports internal/trial, which nobody may"},
		},
		"importing an example": {
			[]string{"internal/bench/a.go: ~/examples/shop", "examples/shop/a.go: ~/examples/shop/part", "examples/shop/part/a.go:"},
			[]string{"program: internal/bench imports examples/shop, which nobody may"},
		},
		"test helper in a library": {
			[]string{"isolation/isolationtest/a.go: ~/internal/pgtest", "internal/pgtest/a.go:"},
			[]string{"testonly: isolation/isolationtest imports internal/pgtest outside its tests"},
		},
		"heavy internal package": {
			[]string{
				"isolation/a.go: ~/internal/telemetry",
				"internal/telemetry/a.go: ~/internal/deep go.opentelemetry.io/otel",
				"internal/deep/a.go: github.com/sirupsen/logrus",
			},
			[]string{"internal: internal/deep is linked by libraries such as isolation " +
				"(through internal/telemetry) and imports github.com/sirupsen/logrus"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if got := check(t, tree(t, c.files...)); !slices.Equal(got, c.want) {
				t.Errorf("findings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func check(t *testing.T, files fstest.MapFS) []string {
	t.Helper()

	findings, err := layout.Check(files)
	if err != nil {
		t.Fatal(err)
	}

	var texts []string
	for _, finding := range findings {
		texts = append(texts, finding.String())
	}

	return texts
}

// TestRulesAllow holds what is near the rules and still right.
func TestRulesAllow(t *testing.T) {
	t.Parallel()

	files := tree(t,
		"doc.go:",
		"docs/design.go:",
		".bin/x/a.go: ~/nowhere github.com/stripe/stripe-go",
		"tenant/a.go: context errors",
		"tenant/a_test.go: ~/tenant ~/tenant/memtenant",
		"tenant/memtenant/a.go: ~/tenant",
		"tenant/httptenant/a.go: ~/tenant golang.org/x/net/idna go.opentelemetry.io/otel/trace",
		"tenant/grpctenant/a.go: ~/tenant google.golang.org/grpc",
		"tenant/testdata/bad.go: ~/isolation",
		"isolation/a.go: ~/tenant ~/internal/telemetry github.com/jackc/pgx/v5/pgxpool",
		"isolation/a_test.go: ~/internal/pgtest ~/internal/pgserver go.opentelemetry.io/otel/sdk/trace",
		"isolation/scopecheck/a.go: golang.org/x/tools/go/analysis",
		"isolation/scopecheck/cmd/scopecheck/main.go: ~/isolation/scopecheck golang.org/x/tools/go/analysis/unitchecker",
		"storage/a.go: gocloud.dev/blob",
		"storage/storagetest/a.go: ~/storage",
		"provisioning/console/a.go: ~/provisioning ~/billing ~/isolation ~/tenant",
		"provisioning/a.go:", "billing/a.go:",
		"internal/telemetry/a.go: go.opentelemetry.io/otel go.opentelemetry.io/otel/metric/noop",
		"internal/pgtest/a.go: github.com/jackc/pgx/v5",
		"internal/pgserver/a.go: ~/internal/process", "internal/process/a.go:",
		"internal/embedded/a.go: ~/internal/pgserver github.com/fergusstrange/embedded-postgres",
		"internal/testenv/main.go: ~/internal/embedded",
		"internal/trial/a_test.go: ~/isolation ~/storage ~/internal/pgtest gorm.io/gorm github.com/redis/go-redis/v9",
		"internal/bench/main.go: ~/isolation",
		"examples/recordstore/main.go: ~/internal/embedded ~/storage ~/isolation github.com/chromedp/chromedp",
	)
	files["internal/bench/peers/go.mod"] = &fstest.MapFile{Data: []byte("module peers\n")}
	files["internal/bench/peers/main.go"] = &fstest.MapFile{Data: []byte("package main\nimport _ \"gorm.io/gorm\"\n")}

	if got := check(t, files); len(got) > 0 {
		t.Errorf("findings where nothing is wrong:\n%s", strings.Join(got, "\n"))
	}
}

func TestUnparsable(t *testing.T) {
	t.Parallel()

	_, err := layout.Check(fstest.MapFS{"tenant/a.go": &fstest.MapFile{Data: []byte("no go")}})
	if err == nil || !strings.Contains(err.Error(), "layout: tenant/a.go") {
		t.Errorf("error = %v, want the file's name", err)
	}
}
