package prove

import "fmt"

// settingsSQL reads the settings. Without an address a session is not on a
// network, and on the loopback it is not on one that others listen to.
const settingsSQL = `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
	current_setting('log_statement'), current_setting('log_min_duration_statement'), current_setting('log_parameter_max_length'),
	current_setting('password_encryption'), current_setting('ssl'),
	COALESCE(NOT (host(inet_server_addr())::inet <<= '127.0.0.0/8' OR host(inet_server_addr())::inet = '::1'), false)`

// settings are the server's, as the session has them.
type settings struct {
	Number     int // the version's
	Version    string
	Statement  string // log_statement
	Duration   string // log_min_duration_statement
	Parameters string // log_parameter_max_length
	Passwords  string // password_encryption
	TLS        string // ssl
	Networked  bool   // others may listen to the session
}

// findings says which settings weaken what holds tenants apart.
func (s settings) findings() (out []Finding) {
	set := func(severity Severity, code, object, reason, value string) {
		out = append(out, Finding{
			Severity: severity, Code: code, Object: object, Reason: reason,
			SQL: fmt.Sprintf("ALTER SYSTEM SET %s = %s; SELECT pg_reload_conf()", object, value),
		})
	}
	if s.Parameters != "0" && (s.Statement == "mod" || s.Statement == "all" || s.Duration != "-1") {
		set(Info, "log-parameters", "log_parameter_max_length", "the server logs statements with their parameters, and the gate's secrets are parameters", "0")
	}
	if s.Passwords == "md5" {
		set(Info, "password-encryption", "password_encryption", "passwords are stored as MD5", "'scram-sha-256'")
	}
	if s.TLS == "off" && s.Networked {
		set(Info, "ssl", "ssl", "the server speaks without TLS on a network", "on")
	}
	if n := s.Number; n < 150014 || n >= 160000 && n < 160010 || n >= 170000 && n < 170006 {
		out = append(out, Finding{
			Severity: Warning, Code: "server-version", Object: "CVE-2025-8713",
			Reason: fmt.Sprintf("PostgreSQL %s lets statistics past the policies; upgrade to 15.14, 16.10, 17.6 or newer", s.Version),
		})
	}
	return out
}
