package layout

// embedded links testcontainers and embedded-postgres.
const embedded = "internal/embedded"

// folders are the top-level folders that there may be. Hidden ones, and what
// they hold, are nobody's import.
func folders() []string {
	return []string{
		"tenant", "isolation", "storage", "cache", "billing", "provisioning", "examples", "internal", "docs",
	}
}

// below lists the trees that each tree may import from, beside itself. The
// root exports and imports nothing; examples may import everything.
func below() map[string][]string {
	return map[string][]string{
		"tenant":       {"internal"},
		"isolation":    {"tenant", "internal"},
		"storage":      {"tenant", "internal"},
		"cache":        {"tenant", "internal"},
		"billing":      {"tenant", "internal"},
		"provisioning": {"tenant", "isolation", "billing", "internal"},
		"internal":     {},
	}
}

// publicUsers are the internal packages that may import public ones.
func publicUsers() []string { return []string{"internal/trial/...", "internal/bench/..."} }

// programs are packages that nobody may import: tests of everything together,
// and main packages.
func programs() []string {
	return []string{"internal/trial/...", "internal/bench/...", "internal/testenv", "isolation/scopecheck/cmd/...", "examples/..."}
}

// testOnly are helpers that libraries may import in their tests alone.
func testOnly() []string {
	return []string{
		"internal/pgtest", "internal/pgserver", "internal/pgbouncer", "internal/process", "internal/layout",
		"internal/redisserver", "internal/redistest", "internal/s3server", "internal/acmetest", "internal/dnstest",
		"internal/certtest", "internal/childtest", "tenant/internal/lookuptest",
	}
}

// stdlibOnly are the packages that link nothing, not even packages of this
// module. Their tests may.
func stdlibOnly() []string { return []string{"tenant", "tenant/domain/autotls/pace"} }

// light are the modules that internal packages may import when libraries link
// them: pgx, the API of OpenTelemetry without its SDK and exporters, and what
// host names are made of.
func light() []string {
	return []string{
		"github.com/jackc/pgx/v5",
		"golang.org/x/net/idna",
		"golang.org/x/net/publicsuffix",
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/attribute",
		"go.opentelemetry.io/otel/codes",
		"go.opentelemetry.io/otel/metric",
		"go.opentelemetry.io/otel/propagation",
		"go.opentelemetry.io/otel/semconv",
		"go.opentelemetry.io/otel/trace",
	}
}

// home says who may link heavy modules, directly or through packages of this
// module.
type home struct {
	modules  []string
	packages []string // in all their files
	tests    []string // in their test files too
}

// homes is the map of heavy modules. A path that ends in "/..." stands for the
// package and everything below; "..." stands for all.
func homes() []home {
	// These may link everything that is not about starting servers.
	ends := []string{"examples/...", "internal/trial/...", "internal/bench/..."}
	at := func(packages ...string) []string { return append(packages, ends...) }
	all := []string{"..."}

	return []home{
		{modules: []string{"github.com/caddyserver/certmagic", "github.com/mholt/acmez"}, packages: at("tenant/domain/autotls")},
		{modules: []string{"github.com/libdns"}, packages: at("tenant/domain/autotls", "tenant/domain/zone")},
		{
			// certmagic speaks DNS with it as well.
			modules:  []string{"github.com/miekg/dns"},
			packages: at("tenant/domain/autotls", "tenant/domain/proof", "internal/dnstest"),
			tests:    []string{"tenant/domain/zone", "internal/acmetest"},
		},
		{modules: []string{"github.com/stripe/stripe-go"}, packages: at("billing/stripebilling")},
		{modules: []string{"github.com/PaddleHQ/paddle-go-sdk"}, packages: at("billing/paddlebilling")},
		{modules: []string{"github.com/open-feature/go-sdk"}, packages: at("tenant/flags")},
		{modules: []string{"github.com/getkin/kin-openapi"}, packages: at("isolation/isolationtest/openapi")},
		{modules: []string{"golang.org/x/tools"}, packages: []string{"isolation/scopecheck/..."}},
		{modules: []string{"google.golang.org/grpc"}, packages: at("tenant/grpctenant")},
		{
			modules:  []string{"gocloud.dev"},
			packages: at("storage", "storage/storagetest", "storage/filebucket", "storage/s3bucket"),
			tests:    []string{"provisioning"}, // an example sends notices through gocloud.dev/pubsub
		},
		{modules: []string{"github.com/aws/aws-sdk-go-v2"}, packages: at("storage/s3bucket"), tests: []string{"storage"}},
		{modules: []string{"github.com/johannesboyne/gofakes3"}, packages: at(), tests: []string{"storage", "storage/s3bucket"}},
		{modules: []string{"github.com/minio/sio"}, packages: at("storage", "storage/storagetest", "storage/filebucket", "storage/s3bucket")},
		{modules: []string{"github.com/redis/go-redis"}, packages: at("cache", "cache/cachetest")},
		{modules: []string{"github.com/alicebob/miniredis"}, packages: at(), tests: at("cache")},
		{modules: []string{"github.com/google/cel-go"}, packages: at("tenant/rules")},
		{modules: []string{"github.com/riverqueue/river"}, packages: at("provisioning/riverwaker")},
		{modules: []string{"github.com/pressly/goose"}, packages: at("provisioning/schema")},
		{modules: []string{"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters"}, packages: at(), tests: all},
		{modules: []string{"github.com/chromedp"}, packages: at(), tests: all},
		{modules: []string{"gorm.io"}, packages: at(), tests: []string{"internal/..."}},
		{
			modules:  []string{"github.com/testcontainers/testcontainers-go", "github.com/fergusstrange/embedded-postgres"},
			packages: []string{embedded, "internal/testenv", "examples/..."},
		},
	}
}
