package httptenant

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/partywall/partywall/tenant"
)

type claim struct {
	read func(r *http.Request) (slugOrID string, err error)
}

// Claim names the tenant by what read finds in a token or a session that it,
// or the host's middleware in front, has verified. Reading a claim from a
// token without verifying it is the mistake this cannot see.
//
// It also binds sessions to their tenant: put the tenant into the session when
// it is made, return it from read, and a cookie that wanders to another
// tenant's host is refused by [FirstOf].
//
//	read returns     meaning
//	name, nil        names the tenant with that slug or ID
//	"", nil          says nothing: there is no token
//	any, error       refused: there is one, and it is not good. The error's own
//	                 status when [StatusOf] has it (wrap tenant.ErrUnavailable
//	                 when the verifier cannot be reached), else 401
//
// Responses carry Vary: Authorization, Cookie, the two places where such a
// claim comes from.
func Claim(read func(r *http.Request) (slugOrID string, err error)) Resolver {
	return claim{read}
}

// Resolve implements [Resolver].
func (c claim) Resolve(r *http.Request) (Mention, error) {
	if c.read == nil {
		return Mention{}, ErrConfig
	}
	name, err := c.read(r)
	if err != nil {
		return Mention{}, unauthenticated(err)
	}
	if name == "" {
		return Mention{}, nil
	}
	key, err := ParseName(name)
	if err != nil {
		return Mention{}, err
	}
	return Mention{Source: "token", Key: key}, nil
}

// Check reports a missing function.
func (c claim) Check() error {
	if c.read == nil {
		return errors.New("claim: the function is missing")
	}
	return nil
}

// Vary returns the headers that claims come from.
func (c claim) Vary() []string { return []string{"Authorization", "Cookie"} }

// unauthenticated gives an error of the host's verifier a status. That a key is
// not found is no news for the client to have as 404: its credentials are bad.
func unauthenticated(err error) error {
	if known(err) && !errors.Is(err, tenant.ErrNotFound) && !errors.Is(err, tenant.ErrNoTenant) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnauthenticated, err)
}

// maxKey bounds what is handed to the host's look-up of API keys.
const maxKey = 512

type apiKey struct {
	owner func(ctx context.Context, key string) (tenant.ID, error)
}

// APIKey names the tenant by the API key in "Authorization: Bearer" or in
// "X-API-Key". The function owner says whose key it is. It must compare hashes,
// not keys, and must not log them; this package does not either.
//
//	owner returns    meaning
//	id, nil          names the tenant id
//	zero ID, nil     says nothing: no key of this kind, it may be another token
//	any, error       refused: as with [Claim]; tenant.ErrNotFound is 401 here
//
// A request with two keys is refused with [ErrMalformed], unless both are the
// same; so is a key of more than 512 bytes or with other characters than
// visible ASCII.
func APIKey(owner func(ctx context.Context, key string) (tenant.ID, error)) Resolver {
	return apiKey{owner}
}

// Resolve implements [Resolver].
func (a apiKey) Resolve(r *http.Request) (Mention, error) {
	if a.owner == nil {
		return Mention{}, ErrConfig
	}
	key, err := keyOf(r)
	if err != nil || key == "" {
		return Mention{}, err
	}
	id, err := a.owner(r.Context(), key)
	if err != nil {
		return Mention{}, unauthenticated(err)
	}
	if id.IsZero() {
		return Mention{}, nil
	}
	return Mention{Source: "API key", Key: tenant.ByID(id)}, nil
}

// Check reports a missing function.
func (a apiKey) Check() error {
	if a.owner == nil {
		return errors.New("API key: the function is missing")
	}
	return nil
}

// Vary returns the headers that keys come in.
func (a apiKey) Vary() []string { return []string{"Authorization", "X-Api-Key"} }

// keyOf returns the one API key of r, or none.
func keyOf(r *http.Request) (string, error) {
	auth, own := r.Header["Authorization"], r.Header["X-Api-Key"]
	if len(auth) > 1 || len(own) > 1 {
		return "", malformed("API key", "is there more than once")
	}
	var key string
	if len(auth) == 1 {
		if scheme, token, _ := strings.Cut(auth[0], " "); strings.EqualFold(scheme, "Bearer") {
			key = strings.TrimLeft(token, " ")
		}
	}
	if len(own) == 1 && own[0] != "" {
		if key != "" && key != own[0] {
			return "", malformed("API key", "is there more than once")
		}
		key = own[0]
	}
	if len(key) > maxKey || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", malformed("API key", "is too long or not visible ASCII")
	}
	return key, nil
}
