package tenant

// Strategy is how a tenant's rows are set apart on its server.
type Strategy string

// The strategies. A tenant can be moved from any of them to any other; its
// rows look the same in all three.
const (
	// Shared puts the tenant's rows in tables that all tenants share, behind
	// row-level security.
	Shared Strategy = "shared"
	// Schema gives the tenant a schema of its own, behind the same row-level
	// security.
	Schema Strategy = "schema"
	// Database gives the tenant a database of its own, behind the same
	// row-level security.
	Database Strategy = "database"
)

// Valid reports whether s is one of the strategies above.
func (s Strategy) Valid() bool { return s == Shared || s == Schema || s == Database }

// Placement says where a tenant's data is.
type Placement struct {
	// Server names one of the host's database servers, such as "eu-1".
	Server string
	// Strategy says how the tenant is set apart there.
	Strategy Strategy
	// Schema names the tenant's schema under the Schema strategy, and is empty
	// under the others.
	Schema string
	// Database names the tenant's database under the Database strategy, and is
	// empty under the others.
	Database string
	// Bucket and Cache say where the tenant's files and cached values are, in
	// the words of the packages storage and cache. They may be empty.
	Bucket, Cache string
	// Epoch rises by one with every change of placement or of write
	// permission. A writer that holds an older one is refused by the data
	// server.
	Epoch int64
}
