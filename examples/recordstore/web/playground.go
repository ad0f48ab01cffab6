package web

import (
	"errors"
	"io"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The paths of the playground.
const (
	// PathSearch puts the parameter q into a statement as no program should:
	// SELECT last_name, email FROM customer WHERE last_name LIKE '%…%'.
	PathSearch = "/playground/search"
	// PathSQL runs the body as one statement.
	PathSQL = "/playground/sql"
)

// Played is what the playground answers: all that an attacker could learn,
// the errors too.
type Played struct {
	Rows  [][]any `json:"rows"`
	Error string  `json:"error,omitempty"`
}

// addPlayground lets attackers in who have found the worst of all holes. It
// runs in the store's context, as every handler does: what it can reach is
// what the wall is worth.
func (s *site) addPlayground(mux *http.ServeMux) {
	mux.Handle("GET "+PathSearch, s.handle(func(w http.ResponseWriter, r *http.Request) error {
		//scopecheck:allow the hole that the playground is there to have
		return s.play(w, r, `SELECT last_name, email FROM customer WHERE last_name LIKE '%`+r.URL.Query().Get("q")+`%'`)
	}))
	mux.Handle("POST "+PathSQL, s.handle(func(w http.ResponseWriter, r *http.Request) error {
		sql, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			return err
		}
		return s.play(w, r, string(sql))
	}))
}

func (s *site) play(w http.ResponseWriter, r *http.Request, sql string) error {
	var out Played
	rows, err := s.DB.Query(r.Context(), sql)
	if err == nil {
		out.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	}
	if err != nil {
		out.Error = err.Error()
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		out.Error += " " + pg.Detail + " " + pg.Hint + " " + pg.Where
	}
	return reply(w, http.StatusOK, out)
}
