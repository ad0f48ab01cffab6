package prove

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// String is the report as a table.
func (r *Report) String() string {
	var b strings.Builder
	_ = r.WriteTable(&b) // a Builder takes everything
	return b.String()
}

// WriteTable writes the findings for people, the worst first, each with the
// SQL that closes it on a line of its own, to be copied.
func (r *Report) WriteTable(w io.Writer) error {
	if r.Clean() {
		_, err := fmt.Fprintln(w, "no findings")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\n", f.Severity, f.Code, strings.TrimPrefix(f.Server+"/"+f.Database+": "+f.Reason, "/: ")); err != nil {
			return err
		}
		if f.SQL != "" {
			if _, err := fmt.Fprintf(table, "\t\t  %s;\n", f.SQL); err != nil {
				return err
			}
		}
	}
	return table.Flush()
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	out := Report{Findings: append([]Finding{}, r.Findings...)} // [] and not null
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}
