package money_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/partywall/partywall/examples/recordstore/money"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]money.Amount{
		"0": 0, "7": 700, "1.5": 150, "523.06": 52306, "-0.99": -99, "9999999999.99": 999999999999,
	} {
		if got, err := money.Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", ".5", "1.", "1.005", "1,5", "+1", "--1", "1e3", "12345678901", " 1", "NaN", "1.-5"} {
		if got, err := money.Parse(text); !errors.Is(err, money.ErrInvalid) {
			t.Errorf("Parse(%q) = %d, %v, want ErrInvalid", text, got, err)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for a, want := range map[money.Amount][2]string{
		0: {"0.00", "$0.00"}, 5: {"0.05", "$0.05"}, -150: {"-1.50", "−$1.50"},
		99999: {"999.99", "$999.99"}, 232860: {"2328.60", "$2,328.60"}, 123456789: {"1234567.89", "$1,234,567.89"},
	} {
		if got := [2]string{a.String(), a.Dollars()}; got != want {
			t.Errorf("%d: got %q, want %q", int64(a), got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(money.Amount(52306))
	if err != nil || string(text) != "523.06" {
		t.Fatalf("%s, %v", text, err)
	}
	var back money.Amount
	if err := json.Unmarshal(text, &back); err != nil || back != 52306 {
		t.Errorf("%d, %v", back, err)
	}
}

func TestNumeric(t *testing.T) {
	t.Parallel()
	numeric := func(digits int64, exp int32) pgtype.Numeric {
		return pgtype.Numeric{Int: big.NewInt(digits), Exp: exp, Valid: true}
	}
	for want, n := range map[money.Amount]pgtype.Numeric{
		52306: numeric(52306, -2), 300: numeric(3, 0), 120000: numeric(12, 2), 150: numeric(15, -1), 5: numeric(5000, -5),
	} {
		var got money.Amount
		if err := got.ScanNumeric(n); err != nil || got != want {
			t.Errorf("%v: %d, %v, want %d", n, got, err, want)
		}
	}
	for name, n := range map[string]pgtype.Numeric{
		"null": {}, "NaN": {NaN: true, Valid: true}, "fraction": numeric(1, -3), "huge": numeric(1, 30),
	} {
		var got money.Amount
		if err := got.ScanNumeric(n); !errors.Is(err, money.ErrInvalid) {
			t.Errorf("%s: %d, %v, want ErrInvalid", name, got, err)
		}
	}
	if n, err := money.Amount(52306).NumericValue(); err != nil || n.Int.Int64() != 52306 || n.Exp != -2 {
		t.Errorf("%v, %v", n, err)
	}
}
