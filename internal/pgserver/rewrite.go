package pgserver

import "net/url"

// Rewrite replaces the parts of a server's URL that are not empty. Another user
// does not keep the password.
func Rewrite(target, user, host, database string) string {
	u, err := url.Parse(target)
	if err != nil {
		return target // it would not have connected before
	}

	if user != "" {
		u.User = url.User(user)
	}

	if host != "" {
		u.Host = host
	}

	u.Path = "/" + database

	return u.String()
}
