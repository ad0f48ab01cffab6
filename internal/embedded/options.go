package embedded

import (
	"cmp"
	"log/slog"
	"os"
	"time"

	"github.com/partywall/partywall/internal/pgserver"
)

// Options adjusts [Start]. The zero value tries everything.
type Options struct {
	// Sources restricts and orders the search. Defaults to DatabaseURL, Local,
	// Docker, Download.
	Sources []Source

	// DatabaseURL leads to a superuser of a running server. Defaults to the
	// environment variable DATABASE_URL.
	DatabaseURL string

	// Postgres is for the servers of Local and Download. Defaults to
	// pgserver's defaults.
	Postgres *pgserver.Options

	// DockerImage is the container's image. Defaults to "postgres:17-alpine".
	DockerImage string

	// DockerTimeout bounds everything that Docker does, pulling the image too.
	// Defaults to 3 minutes; a machine without Docker is found out much sooner.
	DockerTimeout time.Duration

	// DownloadURL is the Maven repository. Defaults to the central one.
	DownloadURL string

	// DownloadTimeout bounds the download. Defaults to 3 minutes.
	DownloadTimeout time.Duration

	// Logger says which source was taken. Defaults to no log.
	Logger *slog.Logger
}

// withDefaults returns a filled copy.
func (o *Options) withDefaults() *Options {
	filled := Options{}
	if o != nil {
		filled = *o
	}

	if filled.Sources == nil {
		filled.Sources = allSources()
	}

	if filled.Logger == nil {
		filled.Logger = slog.New(slog.DiscardHandler)
	}

	const patience = 3 * time.Minute

	filled.DatabaseURL = cmp.Or(filled.DatabaseURL, os.Getenv("DATABASE_URL"))
	filled.DockerImage = cmp.Or(filled.DockerImage, "postgres:17-alpine")
	filled.DockerTimeout = cmp.Or(filled.DockerTimeout, patience)
	filled.DownloadURL = cmp.Or(filled.DownloadURL, "https://repo1.maven.org/maven2")
	filled.DownloadTimeout = cmp.Or(filled.DownloadTimeout, patience)

	return &filled
}
