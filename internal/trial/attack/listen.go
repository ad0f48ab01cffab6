package main

import (
	"context"

	"github.com/partywall/partywall/isolation"
)

// listened is the wall with somebody on the wire.
type listened struct {
	*wire

	db *isolation.DB
}

func (s *scene) listen(ctx context.Context) (*listened, error) {
	base := s.house.url(s.house.app, s.house.name)
	if s.mode.pooled {
		base = s.house.through(s.house.app, s.house.name)
	}
	w, url, err := tap(ctx, base)
	if err != nil {
		return nil, err
	}
	db, err := s.house.open(ctx, func(server *isolation.Server) { server.App, server.MaxConns = url, 1 })
	if err != nil {
		w.close()
		return nil, err
	}
	return &listened{w, db}, nil
}

func (l *listened) close() {
	l.db.Close()
	l.wire.close()
}

// serve serves a tenant while somebody listens.
func (l *listened) serve(ctx context.Context, who party) error {
	rows, err := walled{l.db}.query(ctx, who, `SELECT count(*) FROM accounts`)
	if err != nil {
		return err
	}
	_, err = read(rows)
	return err
}
