// Program bench measures what the wall costs.
//
//	go run ./internal/testenv -- go run ./internal/bench
//
// It runs the same six statements in many ways, from hand-written pgx to each
// mode of the wall, in short bursts whose order is drawn anew in every
// round. What it prints are medians of ratios within a round, so that a machine
// that is busy with something else slows all ways alike. The second line, which
// is the first one over again, shows how far to trust the others.
//
// The loads are many clients at once, for one tenant, for a thousand alike, and
// for a thousand of which few ask for most, on pools that have been used for a
// while; and for many schemas on few connections.
//
// Then it measures how long it takes to find a tenant among a million, to shut
// one out under writers, and to hear of a change that another node has made, and
// what a noisy neighbour costs the others. Commands on Redis are beside go-redis,
// and files beside gocloud's own bucket. Handshakes for the hosts of tenants are
// beside crypto/tls alone.
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
	rounds, burst, loads, schemas, tenants, commands, files, domains int

	rtt                 time.Duration
	only, json, profile string
	nodes               nodes
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
	flags.IntVar(&s.loads, "loads", 40, "`number` of rounds of many clients at once; 0 leaves them out")
	flags.IntVar(&s.schemas, "schemas", 200, "`number` of schemas that a load visits, which take minutes to make and to open by the thousand; 0 leaves it out")
	flags.DurationVar(&s.rtt, "rtt", 800*time.Microsecond, "`distance` to the servers over the slow line; 0 leaves it out")
	flags.IntVar(&s.tenants, "tenants", 1_000_000, "`number` of tenants in the registry; 0 leaves resolution out")
	flags.IntVar(&s.commands, "commands", 40, "`number` of rounds of commands on Redis; 0 leaves them out")
	flags.IntVar(&s.files, "files", 40, "`number` of rounds of files; 0 leaves them out")
	flags.IntVar(&s.domains, "domains", 40, "`number` of rounds of handshakes and look-ups of hosts; 0 leaves them out")
	flags.StringVar(&s.only, "only", "", "measure only what has `text` in \"transport/statement/way\", such as unix/point/bound")
	flags.StringVar(&s.json, "json", "", "write all figures to a `file` as JSON")
	flags.StringVar(&s.profile, "cpuprofile", "", "write a profile of the statements to a `file`")
	s.nodes.flags(flags)
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	if min(s.rounds, s.loads, s.schemas, s.tenants, s.commands, s.files, s.domains) < 0 || s.burst < 1 {
		return errors.New("flags: a number is too small")
	}
	var r report
	for _, part := range []struct {
		wanted  int
		measure func(context.Context, *report) error
	}{
		{s.rounds + s.loads, s.measureServers},
		{s.commands, s.measureCache},
		{s.files, s.measureFiles},
		{s.tenants, s.measureResolution},
		{s.domains, s.measureDomains},
	} {
		if part.wanted > 0 {
			if err := part.measure(ctx, &r); err != nil {
				return err
			}
		}
	}
	if r.Latencies, err = s.nodes.measure(ctx); err != nil {
		return err
	}
	if s.only != "" && len(r.Cells)+len(r.Loads)+len(r.Commands)+len(r.Files)+len(r.Domains) == 0 {
		return fmt.Errorf("flags: nothing that was to be measured has %q in its name", s.only)
	}
	if err := r.markdown(out); err != nil {
		return err
	}
	return r.writeJSON(s.json)
}

// measureServers measures all that needs servers.
func (s *settings) measureServers(ctx context.Context, r *report) (err error) {
	env, err := environment()
	if err != nil {
		return err
	}
	h, err := openHouse(ctx, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	lines, err := h.lines(ctx, s.rtt)
	if err != nil {
		return err
	}
	stop, err := s.startProfile()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	r.Rounds, r.Burst, r.LoadRounds, r.Server = s.rounds, s.burst, s.loads, h.version
	if s.rounds > 0 {
		if r.Cells, err = s.measureStatements(ctx, h, lines); err != nil {
			return err
		}
	}
	if s.loads == 0 {
		return nil
	}
	if err := h.gather(ctx, s.schemas); err != nil {
		return err
	}
	for _, over := range lines {
		if over.name == "tcp" { // which is between the other two
			continue
		}
		cells, err := s.measureLoads(ctx, h, over)
		if err != nil {
			return err
		}
		r.Loads = append(r.Loads, cells...)
	}
	return nil
}

func (s *settings) measureStatements(ctx context.Context, h *house, lines []line) ([]Cell, error) {
	defer h.closeSince(len(h.closers))
	benches, err := h.benches(ctx, lines, s.only)
	if err != nil {
		return nil, err
	}
	return measure(ctx, benches, s.rounds, s.burst)
}

func (s *settings) measureLoads(ctx context.Context, h *house, over line) ([]LoadCell, error) {
	defer h.closeSince(len(h.closers))
	loads, err := h.loads(ctx, over, s.only)
	if err != nil {
		return nil, err
	}
	return measureLoads(ctx, loads, s.loads)
}

// startProfile begins the profile if there is to be one.
func (s *settings) startProfile() (stop func() error, _ error) {
	if s.profile == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(s.profile)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("profile: %w", err), file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}
