package domain

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzPrintable holds what is kept of answers from outside to its bounds, and to
// what a terminal, a page and PostgreSQL take.
func FuzzPrintable(f *testing.F) {
	for _, text := range []string{"", "v=spf1 -all", "\x1b[2J\x00\r\n", "bücher", "\xff\xfe", strings.Repeat("é", 400), "\u202eevil"} {
		f.Add(text, uint8(1))
		f.Add(text, uint8(20))
	}
	f.Fuzz(func(t *testing.T, text string, times uint8) {
		seen := make([]string, times)
		for i := range seen {
			seen[i] = text
		}
		kept := printable(seen)
		if kept == nil || len(kept) != min(int(times), maxSeen) {
			t.Fatalf("%d of %d are kept", len(kept), times)
		}
		for _, k := range kept {
			if !utf8.ValidString(k) || utf8.RuneCountInString(k) > maxSeenText {
				t.Fatalf("%q", k)
			}
			for _, r := range k {
				if !unicode.IsPrint(r) {
					t.Fatalf("%q holds %U", k, r)
				}
			}
		}
	})
}

// TestPrintable keeps what is harmless as it is.
func TestPrintable(t *testing.T) {
	t.Parallel()
	got := printable([]string{"bücher v=1", "a\x00b", "\u202eevil"})
	want := []string{"bücher v=1", "a\uFFFDb", "\uFFFDevil"}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
}
