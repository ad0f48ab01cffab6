package isolationtest_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/partywall/partywall/isolation/isolationtest"
)

// A handler that finds notes by their number, whoever asks. It does not know
// Partywall; a test would call Run, which fails with each finding.
func ExampleDrive() {
	notes := map[string]string{}
	app := http.NewServeMux()
	app.HandleFunc("GET /notes/{id}", func(w http.ResponseWriter, r *http.Request) {
		if note, ok := notes[r.PathValue("id")]; ok {
			fmt.Fprint(w, note)
			return
		}
		http.NotFound(w, r)
	})

	as := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	result, err := isolationtest.Drive(context.Background(), isolationtest.Host{
		Handler: app,
		Routes:  isolationtest.Routes("GET /notes/{id}"),
		Tenants: [2]isolationtest.Tenant{{Name: "acme", As: as("a")}, {Name: "globex", As: as("b")}},
		Seed: func(_ context.Context, t *isolationtest.Tenant) error {
			id := fmt.Sprint(100 + len(notes))
			notes[id], t.IDs["notes.id"] = "buy "+t.Canary, id
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range result.Findings {
		fmt.Println(f.Severity, f.Code, f.Object)
	}
	fmt.Println(result.Findings[0])
	// Output:
	// breach leak-body GET /notes/{notes.id}
	// GET /notes/{notes.id}: tenant acme with the notes.id of globex gets what is globex's: it is in the body
}
