package riverwaker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"github.com/partywall/partywall/provisioning"
)

// Job is what River keeps: that an operation is due, at a time if that is not
// now.
type Job struct {
	Operation provisioning.ID `json:"operation"`
	At        time.Time       `json:"at,omitzero"`
}

// Kind implements river.JobArgs.
func (Job) Kind() string { return "partywall.wake" }

// Worker works the jobs, by telling the engine of this process. The zero Worker
// is ready to be registered with the host's River client; see [NewWith].
type Worker struct {
	river.WorkerDefaults[Job]

	wake atomic.Pointer[func(provisioning.ID)] // nil while there is no engine
}

const (
	// jobTimeout is ample: a job takes microseconds.
	jobTimeout = 10 * time.Second
	// away is how long a job that came to a process without an engine waits
	// for another one.
	away = time.Second
)

// Timeout implements river.Worker.
func (*Worker) Timeout(*river.Job[Job]) time.Duration { return jobTimeout }

// Work implements river.Worker.
func (w *Worker) Work(_ context.Context, job *river.Job[Job]) error {
	wake := w.wake.Load()
	if wake == nil {
		return river.JobSnooze(away)
	}
	(*wake)(job.Args.Operation)
	return nil
}
