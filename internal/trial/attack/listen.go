package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/partywall/partywall/isolation"
)

// link is how the application speaks to its server, and who is on the wire.
type link struct {
	name    string
	sslmode string
	middle  middle
	// exposed says that whoever is there sees what the gate is shown.
	exposed bool
}

// plaintext is a link without TLS.
func plaintext() link { return link{name: "in the clear", sslmode: "disable", exposed: true} }

// links are the clear one and those with TLS. Only a client that knows the
// server's certificate tells the server from somebody else.
func links() ([]link, error) {
	other, err := impostor()
	return []link{
		plaintext(),
		{name: "TLS with somebody unknown", sslmode: "require", middle: middle{as: other}, exposed: true},
		{name: "TLS that is said not to be there", sslmode: "require", middle: middle{strip: true}},
		{name: "TLS", sslmode: "verify-ca"},
		{name: "TLS, stripped", sslmode: "verify-ca", middle: middle{strip: true}},
		{name: "TLS, with an impostor in between", sslmode: "verify-ca", middle: middle{as: other}},
	}, err
}

// listened is the wall with somebody on the wire.
type listened struct {
	*wire

	db    *isolation.DB
	front *wire // speaks TLS for a server that does not, else nil
}

// listen opens the wall over a link.
func (s *scene) listen(ctx context.Context, over link) (_ *listened, err error) {
	l := &listened{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	base, root := s.house.url(s.house.app, s.house.name), ""
	if s.mode.Pooled {
		base = s.house.through(s.house.app, s.house.name)
	}
	if over.sslmode == "verify-ca" {
		if base, root, err = l.secure(ctx, base); err != nil {
			return nil, err
		}
		defer func() { _ = os.Remove(root) }() // it is read when the wall is opened
	}
	if l.wire, base, err = tap(ctx, base, over.middle); err != nil {
		return nil, err
	}
	l.db, err = s.house.open(ctx, func(server *isolation.Server) { server.App, server.MaxConns = over.dress(base, root), 1 })
	return l, err
}

// secure returns the URL of a server that speaks TLS, and a file with what to
// trust it by. Where the server at base does not, something in front of it does.
func (l *listened) secure(ctx context.Context, base string) (_, root string, _ error) {
	root, err := writeRoot(ctx, base)
	if !errors.Is(err, errNoTLS) {
		return base, root, err
	}
	cert, err := impostor()
	if err != nil {
		return "", "", err
	}
	if l.front, base, err = tap(ctx, base, middle{as: cert}); err != nil {
		return "", "", err
	}
	root, err = writeRoot(ctx, base)
	return base, root, err
}

// dress is a URL over the link.
func (l link) dress(base, root string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base // tap would not have parsed it before
	}
	query := u.Query()
	query.Set("sslmode", l.sslmode)
	if root != "" {
		query.Set("sslrootcert", root)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func (l *listened) close() {
	if l.db != nil {
		l.db.Close()
	}
	for _, w := range []*wire{l.wire, l.front} {
		if w != nil {
			w.close()
		}
	}
}

// serve serves a tenant while somebody listens.
func (l *listened) serve(ctx context.Context, who party) error {
	_, err := answered(walled{l.db}.query(ctx, who, `SELECT item FROM orders`))
	return err
}

// errUnseen is an attack that had nothing to go by.
var errUnseen = errors.New("nothing of the gate was seen on the wire")

// onWire plays an attack over every link. Where it is exposed the attack has to
// get through in the combinations that exposed names, or it would prove nothing;
// everywhere else, and over all other links, it must not, nor may a row go by in
// the clear.
func onWire(attack func(context.Context, *scene, *listened) error, exposed func(combination) bool) Attack {
	return func(ctx context.Context, s *scene) error {
		all, err := links()
		if err != nil {
			return err
		}
		for _, over := range all {
			probe := s.again()
			err := probe.over(ctx, over, attack)
			got := probe.evidence()
			switch {
			case over.exposed && exposed(s.combination) && (err != nil || len(got) == 0):
				return fmt.Errorf("control: nothing gets through %s: %w", over.name, errors.Join(err, probe.broken))
			case over.exposed && exposed(s.combination):
				continue
			case err != nil:
				return fmt.Errorf("%s: %w", over.name, err)
			}
			s.hear(probe.heard...)
			s.found = append(s.found, probe.found...)
		}
		return nil
	}
}

// over plays an attack over one link.
func (s *scene) over(ctx context.Context, over link, attack func(context.Context, *scene, *listened) error) error {
	l, err := s.listen(ctx, over)
	if err != nil && !over.exposed && over.middle != (middle{}) {
		return nil // the client has noticed
	}
	if err != nil {
		return err
	}
	defer l.close()
	err = attack(ctx, s, l)
	if over.exposed {
		return err
	}
	text, secured := l.overheard()
	s.hear(text)
	switch {
	case errors.Is(err, errUnseen) && secured:
		return nil
	case err == nil:
		s.findf("the gate is seen over %s", over.name)
	}
	return err
}

// overheard is the control of attacks on the wire: rows go by.
func overheard(ctx context.Context, s *scene) error {
	base := s.house.plain.url(s.role(), s.house.plain.name)
	w, url, err := tap(ctx, base, middle{})
	if err != nil {
		return err
	}
	defer w.close()
	d, err := s.house.plain.at(ctx, url, 1)
	if err != nil {
		return err
	}
	defer d.pool.Close()
	if _, err := s.honestly(ctx, d, s.victim, `SELECT item FROM orders`); err != nil {
		return err
	}
	text, _ := w.overheard()
	s.hear(text)
	return nil
}
