package redirect

// Site is what package redirect knows of one host.
type Site struct {
	// Host is the host as it was asked for, in its one spelling.
	Host string
	// Primary is the host that the tenant goes by; "" if it has none.
	Primary string
	// Hosts are all hosts that serve this tenant, Host and Primary among them.
	// Redirects lead to these and nowhere else. It is only read.
	Hosts []string
	// Rules are those of Host.
	Rules Rules
}

// Sites finds the site of a host. Implementations are called for every request,
// from many goroutines, and answer from memory.
type Sites interface {
	// Site returns the site of a host in its one spelling, and whether one is
	// served under it.
	Site(host string) (Site, bool)
}
