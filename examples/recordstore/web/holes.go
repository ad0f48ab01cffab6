package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"gocloud.dev/blob"

	"github.com/partywall/partywall/tenant"
)

// The paths of the playground that lead to caches and buckets.
const (
	// PathRedis runs the body, a list of commands, as one pipeline. With
	// ?with=slug the first command is run for that store, as by a job that
	// works for several stores at once and gets it wrong.
	PathRedis = "/playground/redis"
	// PathBucket does with the store's bucket what the body, a [Grab], says.
	PathBucket = "/playground/bucket"
)

// Grab is what an attacker has a bucket do, by names of any kind.
type Grab struct {
	Do   string `json:"do"` // read, list, copy, write, delete or sign
	Name string `json:"name"`
	// To is where to copy to. Text is what to write. Method and Life are for
	// signed URLs.
	To     string        `json:"to,omitempty"`
	Text   string        `json:"text,omitempty"`
	Method string        `json:"method,omitempty"`
	Life   time.Duration `json:"life,omitempty"`
}

// addHoles opens what no host should: commands and names as clients send them.
func (s *site) addHoles(mux *http.ServeMux) {
	mux.Handle("POST "+PathRedis, s.handle(func(w http.ResponseWriter, r *http.Request) error {
		var commands [][]any
		if err := readJSON(w, r, &commands); err != nil {
			return err
		}
		texts, err := s.pipe(r.Context(), r.URL.Query().Get("with"), commands)
		return replyPlayed(w, texts, err)
	}))
	mux.Handle("POST "+PathBucket, s.handle(func(w http.ResponseWriter, r *http.Request) error {
		var g Grab
		if err := readJSON(w, r, &g); err != nil {
			return err
		}
		texts, err := s.grab(r.Context(), g)
		return replyPlayed(w, texts, err)
	}))
}

func readJSON(w http.ResponseWriter, r *http.Request, out any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(out); err != nil {
		return fmt.Errorf("%w: body: %w", tenant.ErrInvalid, err)
	}
	return nil
}

// replyPlayed answers with what came of it, the error too.
func replyPlayed(w http.ResponseWriter, texts []string, err error) error {
	var out Played
	for _, text := range texts {
		out.Rows = append(out.Rows, []any{text})
	}
	if err != nil {
		out.Error = err.Error()
	}
	return reply(w, http.StatusOK, out)
}

// pipe is the job that gets it wrong: it takes another store's context for the
// first of the commands.
func (s *site) pipe(ctx context.Context, with string, commands [][]any) ([]string, error) {
	pipe := s.Cache.Pipeline()
	for i, words := range commands {
		whose := ctx
		if with != "" && i == 0 {
			other, err := s.Tenants.Lookup(ctx, tenant.BySlug(with))
			if err != nil {
				return nil, err
			}
			whose = tenant.NewContext(tenant.Without(ctx), other)
		}
		pipe.Do(whose, words...)
	}
	cmds, err := pipe.Exec(ctx)
	var texts []string
	for _, cmd := range cmds {
		if v, ok := cmd.(interface{ Val() any }); ok {
			texts = append(texts, fmt.Sprint(v.Val(), cmd.Err()))
		}
	}
	return texts, err
}

// grab passes a client's names on to the store's bucket.
func (s *site) grab(ctx context.Context, g Grab) ([]string, error) {
	bucket, err := s.Files.Open(ctx)
	if err != nil {
		return nil, err
	}
	var text string
	switch g.Do {
	case "read":
		var content []byte
		content, err = bucket.ReadAll(ctx, g.Name)
		text = string(content)
	case "list":
		return list(ctx, bucket, g.Name)
	case "copy":
		err = bucket.Copy(ctx, g.To, g.Name, nil)
	case "write":
		err = bucket.WriteAll(ctx, g.Name, []byte(g.Text), nil)
	case "delete":
		err = bucket.Delete(ctx, g.Name)
	case "sign":
		text, err = bucket.SignedURL(ctx, g.Name, &blob.SignedURLOptions{Method: g.Method, Expiry: g.Life})
	}
	return []string{text}, err
}

func list(ctx context.Context, bucket *blob.Bucket, prefix string) (names []string, err error) {
	files, failed := bucket.List(&blob.ListOptions{Prefix: prefix}).All(ctx)
	for file := range files {
		names = append(names, file.Key)
	}
	return names, failed()
}
