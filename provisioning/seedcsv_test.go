package provisioning

import (
	"encoding/csv"
	"errors"
	"strings"
	"testing"
)

// FuzzCSVRows wants what encoding/csv reads, with a line of the file for each
// row, and NULL where there is nothing between two commas.
func FuzzCSVRows(f *testing.F) {
	for _, text := range []string{"a,b\n1,\"\"\n,\n", "a\r\n\r\n\"x\r\ny\"\r\n\"\"", "é,\"a\"\"b\"\n\"\",x\n,\r\n", "a\n\"", "\n\n,", "a\r"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		reference := csv.NewReader(strings.NewReader(text))
		reference.FieldsPerRecord = -1
		want, bad := reference.ReadAll()
		rows, err := openCSV(&seedFile{name: "t.csv", text: text})
		if err != nil {
			return
		}
		lines := strings.Split(text, "\n")
		last, read := rows.head, 1
		for {
			some, err := rows.some()
			if err != nil {
				var broken *SeedError
				if !errors.As(err, &broken) || broken.Line < 1 || broken.Line > len(lines) {
					t.Fatalf("%q: %v", text, err)
				}
				return
			}
			if len(some) == 0 {
				break
			}
			for _, row := range some {
				if row.line <= last || row.line > len(lines) {
					t.Fatalf("%q: line %d after line %d", text, row.line, last)
				}
				last = row.line
				for i, value := range row.values {
					if got, _ := value.(string); got != want[read][i] {
						t.Fatalf("%q: %q instead of %q", text, got, want[read][i])
					}
				}
				if first, _, _ := strings.Cut(lines[row.line-1], ","); strings.HasPrefix(first, `""`) && row.values[0] == nil {
					t.Fatalf("%q: NULL for %s", text, first)
				} else if first == "" && row.values[0] != nil {
					t.Fatalf("%q: %q for nothing", text, row.values[0])
				}
				read++
			}
		}
		if bad != nil || read != len(want) {
			t.Fatalf("%q: %d rows instead of %d, %v", text, read, len(want), bad)
		}
	})
}
