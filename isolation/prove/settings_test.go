package prove

import "testing"

// TestSettings judges rows of settings: those that a test cannot have, an old
// server's and a network's, and the borders of those that it can.
func TestSettings(t *testing.T) {
	t.Parallel()
	fine := settings{Number: 150014, Version: "15.14", Statement: "none", Duration: "-1", Parameters: "-1", Passwords: "scram-sha-256", TLS: "off"}
	for name, c := range map[string]struct {
		change func(*settings)
		code   string // "" for nothing
	}{
		"fine":                          {func(*settings) {}, ""},
		"15.13":                         {func(s *settings) { s.Number = 150013 }, "server-version"},
		"14.19":                         {func(s *settings) { s.Number = 140019 }, "server-version"},
		"16 of the first day":           {func(s *settings) { s.Number = 160000 }, "server-version"},
		"16.9":                          {func(s *settings) { s.Number = 160009 }, "server-version"},
		"16.10":                         {func(s *settings) { s.Number = 160010 }, ""},
		"17.5":                          {func(s *settings) { s.Number = 170005 }, "server-version"},
		"17.6":                          {func(s *settings) { s.Number = 170006 }, ""},
		"18.0":                          {func(s *settings) { s.Number = 180000 }, ""},
		"a network":                     {func(s *settings) { s.Networked = true }, "ssl"},
		"a network with TLS":            {func(s *settings) { s.Networked, s.TLS = true, "on" }, ""},
		"MD5":                           {func(s *settings) { s.Passwords = "md5" }, "password-encryption"},
		"what changes is logged":        {func(s *settings) { s.Statement = "mod" }, "log-parameters"},
		"everything is logged":          {func(s *settings) { s.Statement = "all" }, "log-parameters"},
		"definitions are logged":        {func(s *settings) { s.Statement = "ddl" }, ""},
		"what is slow is logged":        {func(s *settings) { s.Duration = "250ms" }, "log-parameters"},
		"the first bytes are logged":    {func(s *settings) { s.Duration, s.Parameters = "0", "64B" }, "log-parameters"},
		"logged without its parameters": {func(s *settings) { s.Statement, s.Duration, s.Parameters = "all", "0", "0" }, ""},
		"parameters of nothing that is": {func(s *settings) { s.Parameters = "1kB" }, ""},
	} {
		s := fine
		c.change(&s)
		found := s.findings()
		if c.code == "" && len(found) != 0 || c.code != "" && (len(found) != 1 || found[0].Code != c.code) {
			t.Errorf("%s: want %q, found %v", name, c.code, found)
		}
	}
}
