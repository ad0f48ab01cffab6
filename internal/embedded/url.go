package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

// answerTimeout bounds the first query; a server that needs longer for it is
// of no use to tests.
const answerTimeout = 10 * time.Second

// urlSource is the server that someone else runs.
type urlSource struct {
	url string
}

func (s *urlSource) start(context.Context) (running, error) {
	if s.url == "" {
		return running{}, errUnset
	}

	parsed, err := url.Parse(s.url)
	if err != nil || (parsed.Scheme != "postgres" && parsed.Scheme != "postgresql") {
		// Its text stays out of the error: it may hold a password.
		return running{}, errors.New("not a postgres:// URL")
	}

	return running{url: s.url}, nil
}

// answers connects and asks one question.
func answers(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()

	conn, err := pgx.Connect(ctx, target)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()

	var one int
	if err := conn.QueryRow(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("first query: %w", err)
	}

	return nil
}

// withDatabase points a URL to another database of its server.
func withDatabase(target, database string) string {
	parsed, err := url.Parse(target)
	if err != nil {
		return target // it has connected before, so it parses
	}

	parsed.Path = "/" + database

	return parsed.String()
}
