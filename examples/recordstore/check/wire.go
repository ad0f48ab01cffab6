package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/partywall/partywall/examples/recordstore/web"
)

// wire is the chain, through the holes of its playground.
type wire struct{ *client }

// redis implements host.
func (w wire) redis(ctx context.Context, slug, with string, commands [][]string) (string, error) {
	return w.post(ctx, slug, web.PathRedis+"?with="+with, commands)
}

// bucket implements host.
func (w wire) bucket(ctx context.Context, slug string, g web.Grab) (string, error) {
	return w.post(ctx, slug, web.PathBucket, g)
}

// follow implements host.
func (w wire) follow(ctx context.Context, method, address string) (string, error) {
	a, err := w.send(ctx, method, "", address, nil, nil)
	return a.body, err
}

func (w wire) post(ctx context.Context, slug, path string, what any) (string, error) {
	body, err := json.Marshal(what)
	if err != nil {
		return "", err
	}
	played, _, err := w.play(w.send(ctx, http.MethodPost, slug, path, body, nil))
	var text strings.Builder
	for _, row := range played.Rows {
		fmt.Fprintln(&text, row...)
	}
	return text.String() + played.Error, err
}
