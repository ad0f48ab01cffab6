package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// backendBytes returns the memory that is its own of the largest server process
// of the connections of an application's name. It looks at /proc, and returns 0
// where the server is on another machine or under another kernel. What is shared,
// as the buffers of tables, is nobody's own.
func (h *house) backendBytes(ctx context.Context, application string) uint64 {
	rows, err := h.admin.Query(ctx, `SELECT pid FROM pg_stat_activity WHERE application_name = $1`, application)
	if err != nil {
		return 0
	}
	defer rows.Close()
	var most uint64
	for rows.Next() {
		var pid int
		if rows.Scan(&pid) != nil {
			return 0
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil { // it may have ended
			most = max(most, anonymous(string(status)))
		}
	}
	return most
}

// anonymous reads the bytes of RssAnon out of a process's status: what is
// resident and neither a file's nor shared.
func anonymous(status string) uint64 {
	for line := range strings.Lines(status) {
		var kilobytes uint64
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	return 0
}
