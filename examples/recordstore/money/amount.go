// Package money holds amounts of money without ever rounding one.
package money

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// Amount is a number of cents.
type Amount int64

// ErrInvalid is returned for what is not an amount with at most two decimals.
var ErrInvalid = errors.New("money: not an amount")

// maxDigits keeps every amount that is read, and sums of a million of them,
// within an int64.
const maxDigits = 10

// Parse reads an amount such as "523.06", "-1.5" or "7".
func Parse(text string) (Amount, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, cents, _ := strings.Cut(digits, ".")
	if len(cents) > 2 || whole == "" || len(whole) > maxDigits || strings.HasSuffix(text, ".") {
		return 0, fmt.Errorf("%w: %q", ErrInvalid, text)
	}
	n, err := strconv.ParseUint(whole+(cents + "00")[:2], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: %q", ErrInvalid, text)
	}
	if negative {
		return -Amount(n), nil
	}
	return Amount(n), nil
}

// String formats the amount with two decimals, as [Parse] reads it.
func (a Amount) String() string {
	sign := ""
	if a < 0 {
		sign, a = "-", -a
	}
	return fmt.Sprintf("%s%d.%02d", sign, a/100, a%100)
}

// Dollars formats the amount for people: "$2,328.60".
func (a Amount) Dollars() string {
	whole, cents, _ := strings.Cut(a.String(), ".")
	whole, negative := strings.CutPrefix(whole, "-")
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if negative {
		return "−$" + whole + "." + cents
	}
	return "$" + whole + "." + cents
}

// MarshalJSON writes the amount as a number with two decimals.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Amount) UnmarshalJSON(text []byte) (err error) {
	*a, err = Parse(string(text))
	return err
}

// ScanNumeric lets pgx read a numeric into the amount.
func (a *Amount) ScanNumeric(n pgtype.Numeric) error {
	if !n.Valid || n.NaN || n.InfinityModifier != pgtype.Finite {
		return fmt.Errorf("%w: null or not a number", ErrInvalid)
	}
	cents := new(big.Int).Set(n.Int)
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n.Exp+2, -n.Exp-2))), nil)
	if n.Exp >= -2 {
		cents.Mul(cents, power)
	} else if _, rest := cents.QuoRem(cents, power, new(big.Int)); rest.Sign() != 0 {
		return fmt.Errorf("%w: a fraction of a cent", ErrInvalid)
	}
	if !cents.IsInt64() {
		return fmt.Errorf("%w: too large", ErrInvalid)
	}
	*a = Amount(cents.Int64())
	return nil
}

// NumericValue lets pgx send the amount as a numeric.
func (a Amount) NumericValue() (pgtype.Numeric, error) {
	return pgtype.Numeric{Int: big.NewInt(int64(a)), Exp: -2, Valid: true}, nil
}
