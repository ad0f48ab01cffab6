package redisserver

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/partywall/partywall/internal/process"
)

// nodes is how many masters a cluster has: the fewest that can agree.
const nodes = 3

// Cluster is a running Redis Cluster of three masters without replicas.
type Cluster struct{ servers []*Server }

// StartCluster starts a cluster and returns when all its nodes serve all slots.
func StartCluster(ctx context.Context, options *Options) (*Cluster, error) {
	cluster := &Cluster{}

	err := cluster.start(ctx, options)
	if err == nil {
		err = cluster.join(ctx)
	}

	if err != nil {
		return nil, errors.Join(err, cluster.Stop(context.WithoutCancel(ctx)))
	}

	return cluster, nil
}

func (c *Cluster) start(ctx context.Context, options *Options) error {
	for range nodes {
		filled := Options{}
		if options != nil {
			filled = *options
		}

		// By default the bus is 10,000 ports up, where outgoing connections are.
		bus, err := process.FreePort(ctx)
		if err != nil {
			return fmt.Errorf("redisserver: %w", err)
		}

		filled.Port = 0
		filled.Config = append([]string{
			"cluster-enabled yes",
			"cluster-node-timeout 2000",
			"cluster-port " + strconv.Itoa(bus),
		}, filled.Config...)

		server, err := Start(ctx, &filled)
		if err != nil {
			return err
		}

		c.servers = append(c.servers, server)
	}

	return nil
}

func (c *Cluster) join(ctx context.Context) error {
	args := append([]string{"--cluster", "create"}, c.Addrs()...)
	args = append(args, "--cluster-replicas", "0", "--cluster-yes")

	//nolint:gosec // our own addresses
	if output, err := exec.CommandContext(ctx, "redis-cli", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("redisserver: redis-cli %s: %w\n%s", strings.Join(args, " "), err, output)
	}

	for _, server := range c.servers {
		err := server.child.WaitReady(ctx, func(ctx context.Context) bool {
			return server.answers(ctx, "CLUSTER INFO", "cluster_state:ok")
		})
		if err != nil {
			return fmt.Errorf("redisserver: cluster: %w", err)
		}
	}

	return nil
}

// Addrs returns host:port of every node.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.servers))
	for i, server := range c.servers {
		addrs[i] = server.Addr()
	}

	return addrs
}

// Nodes returns the nodes.
func (c *Cluster) Nodes() []*Server { return c.servers }

// Stop stops all nodes.
func (c *Cluster) Stop(ctx context.Context) error {
	errs := make([]error, 0, len(c.servers))
	for _, server := range c.servers {
		errs = append(errs, server.Stop(ctx))
	}

	return errors.Join(errs...)
}
