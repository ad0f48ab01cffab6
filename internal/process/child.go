package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// pollLimit bounds the pause between two looks at a starting server: short
// enough not to be felt, long enough to leave the server the processor.
const pollLimit = 50 * time.Millisecond

// ErrExited is returned by [Child.WaitReady] when the child ended before it
// was ready.
var ErrExited = errors.New("process: ended before it was ready")

// Command says what to run and how it dies. Path is required.
type Command struct {
	// Path is the program, Args its arguments without the program's name.
	Path string
	Args []string

	// Dir is the working folder. Defaults to the parent's.
	Dir string

	// Env is the environment. Defaults to the parent's.
	Env []string

	// Stdin, Stdout and Stderr are handed to the child as they are. Default to
	// the null device.
	Stdin          *os.File
	Stdout, Stderr io.Writer

	// Owner is the user to run as. Defaults to the parent's user.
	Owner *Owner

	// DeathSignal is sent by the kernel when the parent dies, however it dies.
	// Only Linux can do it; elsewhere it is ignored. Defaults to none.
	DeathSignal syscall.Signal
}

// Child is a running command, the leader of its own process group, so that a
// Ctrl-C in a terminal reaches only the parent, which then decides the order
// in which things stop. All methods are safe for concurrent use.
type Child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // written before done is closed
}

// Start starts the command and returns at once. It fails when the program
// cannot be run.
func Start(c *Command) (*Child, error) {
	//nolint:gosec,noctx // running the given program is the point, and it ends by Stop, not with a context
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = c.Stdout, c.Stderr

	if c.Stdin != nil { // a nil *os.File in the interface would not be nil
		cmd.Stdin = c.Stdin
	}

	cmd.SysProcAttr = attributes(c.Owner, c.DeathSignal)

	child := &Child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)

	go child.run(started)

	if err := <-started; err != nil {
		return nil, fmt.Errorf("process: start %s: %w", c.Path, err)
	}

	return child, nil
}

// run forks the child and waits for it on one locked thread: the kernel sends
// the death signal when the *thread* that forked ends, and an unlocked thread
// may end at any time while the parent lives on.
func (c *Child) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	if err := c.cmd.Start(); err != nil {
		started <- err

		return
	}

	started <- nil

	c.err = c.cmd.Wait()
	close(c.done)
}

// Run starts the command, waits for its end and returns its failure. When ctx
// ends first, the command's process group is killed.
func Run(ctx context.Context, c *Command) error {
	child, err := Start(c)
	if err != nil {
		return err
	}

	select {
	case <-child.Done():
	case <-ctx.Done():
		_ = child.SignalGroup(syscall.SIGKILL)
		<-child.Done()

		return fmt.Errorf("process: %s: %w", c.Path, context.Cause(ctx))
	}

	if err := child.Err(); err != nil {
		return fmt.Errorf("process: %s: %w", c.Path, err)
	}

	return nil
}

// PID returns the child's process number.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended and been reaped.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err returns how the child ended, an [*exec.ExitError] unless it was status
// 0. It is nil before Done is closed.
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Signal sends a signal to the child alone. A child that has ended is no
// error.
func (c *Child) Signal(sig os.Signal) error {
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process: signal %d: %w", c.PID(), err)
	}

	return nil
}

// Stop sends the signal and waits for the end. When ctx ends first, the whole
// process group is killed and the error of ctx returned; the child is gone
// either way.
func (c *Child) Stop(ctx context.Context, sig os.Signal) error {
	if err := c.Signal(sig); err != nil {
		return err
	}

	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		_ = c.SignalGroup(syscall.SIGKILL)
		<-c.done

		return fmt.Errorf("process: %d did not stop: %w", c.PID(), context.Cause(ctx))
	}
}

// WaitReady calls ready with growing pauses until it reports true. It returns
// [ErrExited] when the child ends first, and the error of ctx when that does.
func (c *Child) WaitReady(ctx context.Context, ready func(context.Context) bool) error {
	delay := time.Millisecond

	timer := time.NewTimer(delay)
	defer timer.Stop()

	for !ready(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("process: waiting for %d: %w", c.PID(), context.Cause(ctx))
		case <-c.done:
			return fmt.Errorf("%w: %w", ErrExited, exitCause(c.err))
		case <-timer.C:
		}

		delay = min(2*delay, pollLimit)
		timer.Reset(delay)
	}

	return nil
}

// exitCause gives a name to the end without an error, which a server that was
// told to serve should not come to.
func exitCause(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}

	return err
}
