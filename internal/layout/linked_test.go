package layout_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/partywall/partywall/internal/layout"
)

// TestLinkedModules holds what a user of each package links against a list, so
// that a dependency of a dependency is a visible change too. It asks the go
// command, which the test cache does not see through: make runs it uncached.
func TestLinkedModules(t *testing.T) {
	t.Parallel()

	pgx := []string{"github.com/jackc/pgpassfile", "github.com/jackc/pgservicefile", "github.com/jackc/pgx/v5", "golang.org/x/text"}
	pgxpool := []string{"github.com/jackc/puddle/v2", "golang.org/x/sync"}

	for packages, want := range map[string][]string{
		"tenant":                    nil,
		"tenant/memtenant":          nil,
		"tenant/tenanttest":         nil,
		"tenant/httptenant":         {"golang.org/x/net", "golang.org/x/text"},
		"isolation":                 pgx,
		"isolation tenant/pgtenant": slices.Concat(pgx, pgxpool),
		"isolation tenant/pgtenant tenant/httptenant": slices.Concat(pgx, pgxpool, []string{"golang.org/x/net"}),
		"tenant/grpctenant": {
			"golang.org/x/net", "golang.org/x/sys", "golang.org/x/text",
			"google.golang.org/genproto/googleapis/rpc", "google.golang.org/grpc", "google.golang.org/protobuf",
		},
		"tenant/domain/redirect": {"golang.org/x/net", "golang.org/x/text"},
		"tenant/domain": slices.Concat(pgx, pgxpool, []string{
			"github.com/cespare/xxhash/v2", "go.opentelemetry.io/otel", "go.opentelemetry.io/otel/metric", "golang.org/x/net",
		}),
		// gocloud's portable type alone links these. No cloud's SDK is among them.
		"storage storage/filebucket": {
			"github.com/cespare/xxhash/v2", "github.com/go-logr/logr", "github.com/go-logr/stdr", "github.com/google/uuid",
			"github.com/googleapis/gax-go/v2", "github.com/minio/sio", "go.opentelemetry.io/auto/sdk", "go.opentelemetry.io/otel",
			"go.opentelemetry.io/otel/metric", "go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/sdk/metric",
			"go.opentelemetry.io/otel/trace", "gocloud.dev", "golang.org/x/crypto", "golang.org/x/net", "golang.org/x/sys",
			"golang.org/x/text", "golang.org/x/xerrors", "google.golang.org/api", "google.golang.org/genproto/googleapis/rpc",
			"google.golang.org/grpc", "google.golang.org/protobuf",
		},
	} {
		t.Run(packages, func(t *testing.T) {
			t.Parallel()

			slices.Sort(want)

			if got := linked(t, strings.Fields(packages)); !slices.Equal(got, want) {
				t.Errorf("links\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// linked returns the modules, without ours, that are linked with the packages.
func linked(t *testing.T, packages []string) []string {
	t.Helper()

	args := []string{"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}"}
	for _, pkg := range packages {
		args = append(args, layout.Module+"/"+pkg)
	}

	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}

	modules := strings.Fields(string(out))
	slices.Sort(modules)

	return slices.Compact(modules)
}
