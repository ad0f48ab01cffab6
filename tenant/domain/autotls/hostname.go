package autotls

import (
	"fmt"

	"github.com/partywall/partywall/internal/hostname"
)

// normalize returns the one spelling of a host.
func normalize(host string) (string, error) {
	name, err := hostname.Normalize(host)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return name, nil
}
