// Program bench measures what the wall costs.
//
//	go run ./internal/testenv -- go run ./internal/bench
//
// It runs the same three statements in many ways, from hand-written pgx to
// each mode of the wall, in short bursts whose order is drawn anew in every
// round. What it prints are medians of ratios within a round, so that a machine
// that is busy with something else slows all ways alike. The second line, which
// is the first one over again, shows how far to trust the others.
//
// Then it does the same with files, beside gocloud's own bucket, and measures how long it takes to find a tenant among a million.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	rounds, burst, tenants, files int
	rtt                           time.Duration
	only, json, profile           string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.rounds, "rounds", 80, "`number` of rounds; 0 leaves the statements out")
	flags.IntVar(&s.burst, "burst", 25, "`number` of statements in a burst")
	flags.DurationVar(&s.rtt, "rtt", 800*time.Microsecond, "`distance` to the servers over the slow line; 0 leaves it out")
	flags.IntVar(&s.tenants, "tenants", 1_000_000, "`number` of tenants in the registry; 0 leaves resolution out")
	flags.IntVar(&s.files, "files", 40, "`number` of rounds of files; 0 leaves them out")
	flags.StringVar(&s.only, "only", "", "measure only what has `text` in \"transport/statement/way\", such as unix/point/bound")
	flags.StringVar(&s.json, "json", "", "write all figures to a `file` as JSON")
	flags.StringVar(&s.profile, "cpuprofile", "", "write a profile of the statements to a `file`")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	var r report
	if s.rounds > 0 {
		if err := s.measureStatements(ctx, &r); err != nil {
			return err
		}
	}
	if s.files > 0 {
		if err := s.measureFiles(ctx, &r); err != nil {
			return err
		}
	}
	if s.tenants > 0 {
		if err := s.measureResolution(ctx, &r); err != nil {
			return err
		}
	}
	if err := r.markdown(out); err != nil {
		return err
	}
	return r.writeJSON(s.json)
}

func (s *settings) measureStatements(ctx context.Context, r *report) (err error) {
	env, err := environment()
	if err != nil {
		return err
	}
	h, err := openHouse(ctx, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	benches, err := h.benches(ctx, s.only, s.rtt)
	if err != nil {
		return err
	}
	r.Rounds, r.Burst, r.Server = s.rounds, s.burst, h.version
	if s.profile != "" {
		file, err := os.Create(s.profile)
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	r.Cells, err = measure(ctx, benches, s.rounds, s.burst)
	return err
}
