package autotls

import (
	"fmt"

	"github.com/partywall/partywall/tenant/httptenant"
)

// normalize returns the one spelling of a host.
func normalize(host string) (string, error) {
	name, err := httptenant.NormalizeHost(host)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return name, nil
}
