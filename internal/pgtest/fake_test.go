package pgtest_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fake is a test within a test, whose failure is not the outer one's. The
// embedded TB serves what is not overridden.
type fake struct {
	testing.TB

	ctx context.Context // what the Context method returns

	mu       sync.Mutex
	failed   bool
	log      strings.Builder
	cleanups []func()
}

// runFake runs a test function to its end, cleanups included.
func runFake(t *testing.T, name string, test func(testing.TB)) *fake {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	inner := &fake{TB: t, ctx: ctx}
	done := make(chan struct{})

	go func() { // FailNow ends the goroutine
		defer close(done)

		test(&named{fake: inner, name: name})
	}()

	<-done
	cancel() // as the real thing does before cleanups

	for _, cleanup := range slices.Backward(inner.cleanups) {
		cleanup()
	}

	return inner
}

// named is a fake with a name.
type named struct {
	*fake

	name string
}

func (f *named) Name() string { return f.name }

func (f *fake) Context() context.Context { return f.ctx }

func (f *fake) Helper() {}

func (f *fake) Cleanup(cleanup func()) { f.cleanups = append(f.cleanups, cleanup) }

func (f *fake) Fail() {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.failed = true
}

func (f *fake) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.failed
}

func (f *fake) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()

	fmt.Fprintf(&f.log, format+"\n", args...)
}

func (f *fake) Errorf(format string, args ...any) {
	f.Logf(format, args...)
	f.Fail()
}

func (f *fake) Fatal(args ...any) {
	f.Errorf("%s", fmt.Sprint(args...))
	runtime.Goexit()
}

func (f *fake) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}
