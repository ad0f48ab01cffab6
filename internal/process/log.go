package process

import (
	"fmt"
	"os"
	"strings"
)

// tailLines is how much of a log goes into an error: enough to hold a server's
// complaint and its hint.
const tailLines = 20

// Log is the file that a server writes its messages to.
type Log struct {
	file *os.File
}

// OpenLog opens a log for appending, so that a restarted server keeps the
// words of the one before it.
func OpenLog(path string) (*Log, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // the caller's own temp dir
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}

	return &Log{file: file}, nil
}

// File is what to hand a child as its output. The child has its own copy, so
// the log may be closed once it is started.
func (l *Log) File() *os.File { return l.file }

// Close closes the parent's side of the log.
func (l *Log) Close() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("process: %w", err)
	}

	return nil
}

// Tail returns the last lines of the log, or says why it cannot.
func (l *Log) Tail() string {
	text, err := os.ReadFile(l.file.Name())
	if err != nil {
		return err.Error()
	}

	lines := strings.Split(strings.TrimSpace(string(text)), "\n")

	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// Environ returns this process's environment without the variables of the
// given prefixes, so that a private server does not take settings that were
// meant for another one (PGPORT, PGDATA).
func Environ(without ...string) []string {
	var kept []string

	for _, variable := range os.Environ() {
		drop := false
		for _, prefix := range without {
			drop = drop || strings.HasPrefix(variable, prefix)
		}

		if !drop {
			kept = append(kept, variable)
		}
	}

	return kept
}
