package tenant_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/partywall/partywall/tenant"
)

func TestID(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_790_000_000_123)
	first, second := tenant.NewID(at), tenant.NewID(at.Add(time.Millisecond))
	if first.String() >= second.String() || first == tenant.NewID(at) || first.IsZero() {
		t.Errorf("%s, %s", first, second)
	}
	for _, form := range []string{first.String(), strings.ToUpper(first.String())} {
		if got, err := tenant.ParseID(form); err != nil || got != first {
			t.Errorf("ParseID(%s) = %s, %v", form, got, err)
		}
	}
	text, err := json.Marshal(map[tenant.ID]tenant.ID{first: second})
	if err != nil || string(text) != `{"`+first.String()+`":"`+second.String()+`"}` {
		t.Errorf("%s, %v", text, err)
	}
	var back map[tenant.ID]tenant.ID
	if err := json.Unmarshal(text, &back); err != nil || back[first] != second {
		t.Errorf("%v, %v", back, err)
	}
	for _, src := range []any{first.String(), []byte(first.String()), first[:]} {
		var got tenant.ID
		if err := got.Scan(src); err != nil || got != first {
			t.Errorf("Scan(%v) = %s, %v", src, got, err)
		}
	}
	for _, src := range []any{7, nil, "", []byte{}, make([]byte, 16), strings.Repeat("0", 36), "00000000-0000-0000-0000-000000000000"} {
		var got tenant.ID
		if err := got.Scan(src); err == nil || !got.IsZero() {
			t.Errorf("scanned %v as %s", src, got)
		}
	}
	if value, err := first.Value(); err != nil || value != first.String() {
		t.Errorf("Value = %v, %v", value, err)
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{
		"01976a3e-5f00-7000-8000-000000000000", "01976A3E-5F00-7000-BFFF-000000000000", "",
		"00000000-0000-0000-0000-000000000000", "01976a3e5f0070008000000000000000",
		"{01976a3e-5f00-7000-8000-00000000000}", "01976a3e-5f00-4000-8000-000000000000",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := tenant.ParseID(s)
		if err != nil {
			if !errors.Is(err, tenant.ErrInvalid) || !id.IsZero() {
				t.Fatalf("%s, %v", id, err)
			}
			return
		}
		if id.String() != strings.ToLower(s) || id.IsZero() {
			t.Fatalf("%q became %s", s, id)
		}
	})
}
