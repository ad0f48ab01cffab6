package provisioning

import (
	"context"
	"sync"
	"time"
)

// weights are how long the steps of each kind took, by which the rest of an
// operation is estimated.
type weights struct {
	mu    sync.Mutex
	kinds map[string]*weight
}

type weight struct {
	read  time.Time // when it was asked for last
	steps map[string]time.Duration
}

// weightAge is how old what is known may be.
const weightAge = time.Minute

// load reads what is known of a kind in the background, unless it was read
// lately.
func (w *weights) load(e *Engine, kind string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kinds == nil {
		w.kinds = map[string]*weight{}
	}
	known := w.kinds[kind]
	if known == nil {
		known = &weight{}
		w.kinds[kind] = known
	}
	if time.Since(known.read) < weightAge {
		return
	}
	known.read = time.Now()
	go func() {
		ctx, stop := context.WithTimeout(context.Background(), weightAge)
		defer stop()
		steps, err := readWeights(ctx, e, kind)
		if err != nil {
			e.opts.Logger.DebugContext(ctx, "provisioning: reading how long steps take", "kind", kind, "error", err)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		known.steps = steps
	}()
}

// readWeights reads the medians of the last operations that succeeded.
func readWeights(ctx context.Context, e *Engine, kind string) (map[string]time.Duration, error) {
	rows, err := e.pool.Query(ctx, `
		SELECT s.name, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM s.ended_at - s.began_at)::float8)
		FROM (SELECT id FROM partywall_operations.operation WHERE kind = $1 AND state = 'succeeded' ORDER BY id DESC LIMIT 50) o
		JOIN partywall_operations.step s ON s.operation_id = o.id AND s.state = 'done'
		GROUP BY s.name`, kind)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	steps := map[string]time.Duration{}
	for rows.Next() {
		var name string
		var seconds float64
		if err := rows.Scan(&name, &seconds); err != nil {
			return nil, err
		}
		steps[name] = time.Duration(seconds * float64(time.Second))
	}
	return steps, rows.Err()
}

// estimate says how much of an operation is done, and how long the rest takes,
// zero if nobody knows. The steps of a stage take as long as the longest.
func (w *weights) estimate(d definition, o Operation, progress map[string]float64) (percent float64, remaining time.Duration) {
	w.mu.Lock()
	var known map[string]time.Duration
	if k := w.kinds[d.name]; k != nil {
		known = k.steps
	}
	w.mu.Unlock()
	if o.State == Succeeded {
		return 100, 0
	}
	done := map[string]float64{}
	for _, s := range o.Steps {
		switch s.State {
		case "done":
			done[s.Name] = 1
		case "begun":
			done[s.Name] = progress[s.Name]
		}
	}
	var all, made float64
	for _, stage := range d.stages {
		var rest time.Duration
		for _, s := range stage {
			took := known[s.name]
			weight := max(took.Seconds(), 0.001)
			if known == nil {
				weight = 1
			}
			all += weight
			made += weight * done[s.name]
			rest = max(rest, time.Duration(float64(took)*(1-done[s.name])))
		}
		remaining += rest
	}
	return 100 * made / all, remaining.Round(time.Millisecond)
}
