package pgserver

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Options adjusts [Start]. The zero value is a server fit for tests.
type Options struct {
	// BinDir holds initdb and postgres. Defaults to what [Find] finds.
	BinDir string

	// Superuser is the name of the first role. Defaults to "partywall".
	Superuser string

	// Settings go into postgresql.conf, over the defaults: no fsync, 300
	// connections, logical decoding, and locks for many tables. Nil means the
	// defaults alone.
	Settings map[string]string

	// TLS lets clients speak TLS, by a certificate that the server has signed
	// itself. Those that do not go on in the clear.
	TLS bool

	// TempDir is where the server's folder is made. Defaults to os.TempDir().
	TempDir string
}

// withDefaults returns a filled copy.
func (o *Options) withDefaults() *Options {
	filled := Options{}
	if o != nil {
		filled = *o
	}

	settings := defaultSettings()
	maps.Copy(settings, filled.Settings)

	filled.Settings = settings
	filled.Superuser = cmp.Or(filled.Superuser, "partywall")

	return &filled
}

// defaultSettings give up safety against a power cut, which nobody tests here,
// but none against a crash of the server, which tests provoke.
func defaultSettings() map[string]string {
	return map[string]string{
		"fsync":                           "off",
		"full_page_writes":                "off",
		"max_connections":                 "300",
		"max_locks_per_transaction":       "256",
		"wal_level":                       "logical",
		"max_wal_senders":                 "20",
		"max_replication_slots":           "20",
		"max_worker_processes":            "32",
		"max_logical_replication_workers": "16",
		"timezone":                        "UTC",
		"log_timezone":                    "UTC",
	}
}

// configuration renders settings as lines of postgresql.conf, where a quote in
// a value is doubled and a backslash begins an escape.
func configuration(settings map[string]string) string {
	escape := strings.NewReplacer(`'`, `''`, `\`, `\\`)

	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = '%s'\n", name, escape.Replace(settings[name]))
	}

	return text.String()
}
