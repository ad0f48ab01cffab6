package redirect

// WWW says what to do about the label www in front of a host.
type WWW string

// The ways with www. Either takes effect only if the other host is the tenant's
// as well.
const (
	WWWKeep WWW = ""
	WWWAdd  WWW = "add"
	WWWDrop WWW = "drop"
)

// Limits of what a tenant may save.
const (
	// MaxPaths is how many path rules one host may have.
	MaxPaths = 200
	// MaxRules is how large their JSON may be, in bytes.
	MaxRules = 256 << 10
	// MaxPath is how long a path or a target may be, in bytes.
	MaxPath = 2048
)

// Rules are the redirects of one host. The zero Rules redirect nothing.
type Rules struct {
	// HTTPS leads plain HTTP to https.
	HTTPS bool `json:"https,omitempty"`
	// ToPrimary leads to the tenant's primary host: an old name to the new one.
	ToPrimary bool `json:"to_primary,omitempty"`
	// WWW leads to the host with or without www. It goes after ToPrimary.
	WWW WWW `json:"www,omitempty"`
	// Paths are tried in order, and before the rules for the host; the first that
	// matches is taken.
	Paths []PathRule `json:"paths,omitempty"`
}

// PathRule leads one path, or all below one, elsewhere.
type PathRule struct {
	// From is an absolute path: "/old" matches it alone, "/blog/*" all that begins
	// with /blog/.
	From string `json:"from"`
	// To is an absolute path on the same host, or one of the tenant's hosts with
	// a path: "/new", "shop.example.com/new". If From and To both end in "*", what
	// the one stood for is put in place of the other.
	To string `json:"to"`
	// Status is 301, 302, 307 or 308; 0 is 308.
	Status int `json:"status,omitempty"`
}
