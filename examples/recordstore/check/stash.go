package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/partywall/partywall/examples/recordstore/cover"
	"github.com/partywall/partywall/examples/recordstore/web"
)

// Raid is what came of one way to get at another store's cache or bucket.
type Raid struct {
	Name string
	// Naive and Here say whether it got or harmed anything: on a naive host,
	// where it has to, and on the chain, by any store.
	Naive, Here bool
}

// raidNaive plays every raid where there is no wall.
func (r *run) raidNaive(ctx context.Context) {
	for _, d := range raids() {
		r.result.Raids = append(r.result.Raids, Raid{Name: d.name})
	}
	n, err := newNaive()
	if r.failed(ctx, "a naive host", err) {
		return
	}
	defer n.close()
	p := &prize{
		robber: "south", own: "mine", owner: "south-africa", key: "till", loot: "takings",
		whole: "south-africa-till", tail: "africa-till", file: "south-africa/till", up: "../south-africa/till",
		shelf: "/files",
	}
	err = errors.Join(hide(ctx, n, p.robber, p.own, "little"), hide(ctx, n, p.owner, p.key, p.loot))
	if r.failed(ctx, "a naive host", err) {
		return
	}
	for i, d := range raids() {
		got, err := p.lead(ctx, n, d)
		if !r.failed(ctx, "a naive host", err) && got == "" {
			r.mismatchf("%s: takes nothing from a naive host, and proves nothing", d.name)
		}
		r.result.Raids[i].Naive = got != ""
	}
}

// raid plays every raid on what the victim has hidden.
func (r *run) raid(ctx context.Context, s, victim *store) {
	if s.whole == "" || victim.whole == "" {
		return // and why has been said
	}
	p := &prize{
		robber: s.slug, own: s.till, owner: victim.slug, key: victim.till, loot: victim.canary,
		whole: victim.whole, tail: beyond(s.whole, victim.whole), file: victim.file, shelf: victim.shelf,
	}
	var err error
	if p.up, err = filepath.Rel(path.Dir(s.file), victim.file); r.failed(ctx, s.country, err) {
		return
	}
	for i, d := range raids() {
		r.count()
		got, err := p.lead(ctx, wire{r.client}, d)
		if r.failed(ctx, s.country+": "+d.name, err) || got == "" {
			continue
		}
		r.leakf("%s: %s got %s's: %.200s", s.country, d.name, victim.country, got)
		r.mu.Lock()
		r.result.Raids[i].Here = true
		r.mu.Unlock()
	}
}

// beyond returns what of other does not begin as name does.
func beyond(name, other string) string {
	at := 0
	for at < min(len(name), len(other)) && name[at] == other[at] {
		at++
	}
	return other[at:]
}

// stash has a store hide something with its canary in it: in its cache, its
// bucket, and a cover.
func (r *run) stash(ctx context.Context, s *store) {
	s.till = "till-" + strings.ToLower(s.canary[len(canaryPrefix):len(canaryPrefix)+10])
	if r.failed(ctx, s.country+": hiding something", hide(ctx, wire{r.client}, s.slug, s.till, s.canary)) {
		return
	}
	picture, err := cover.Draw(s.canary)
	if r.failed(ctx, s.country, err) {
		return
	}
	a, err := r.client.send(ctx, http.MethodPut, s.slug, "/api"+r.coverPath(), append(picture, s.canary...), nil)
	if !r.failed(ctx, s.country, err) && a.status != http.StatusNoContent {
		r.mismatchf("%s: uploading a cover: status %d", s.country, a.status)
	}
	r.learn(ctx, s)
}

// learn finds out what the hidden things are called below the wall: the key by
// asking Redis, the file by the store's own signed address. It uses everything
// that raids do, for raids that fail because nothing works prove nothing.
func (r *run) learn(ctx context.Context, s *store) {
	w := wire{r.client}
	text, err := w.redis(ctx, s.slug, s.slug, [][]string{
		{"GET", s.till}, {"KEYS", "*"}, {"EVAL", `return redis.call("GET", KEYS[1])`, "1", s.till},
	})
	if r.failed(ctx, s.country+": its own cache", err) {
		return
	}
	if strings.Count(text, s.canary) != 2 || !strings.Contains(text, s.till) {
		r.mismatchf("%s: finds in its own cache: %.300s", s.country, text)
	}
	signed, err := w.bucket(ctx, s.slug, web.Grab{Do: "sign", Name: s.till, Method: http.MethodGet})
	if r.failed(ctx, s.country+": signing", err) {
		return
	}
	signed = strings.TrimSpace(signed)
	if text, err = w.follow(ctx, http.MethodGet, signed); !r.failed(ctx, s.country+": its own address", err) && text != s.canary {
		r.mismatchf("%s: finds at its own signed address: %.300s", s.country, text)
	}
	if u, err := url.Parse(signed); err == nil {
		s.file, s.shelf = u.Query().Get("obj"), u.Path
	}
	client := redis.NewUniversalClient(r.config.Redis)
	defer func() { _ = client.Close() }() // it only reads
	found := client.Scan(ctx, 0, "*"+s.till, 1000).Iterator()
	for found.Next(ctx) {
		s.whole = found.Val()
	}
	if err := found.Err(); err != nil || s.whole == "" || s.file == "" {
		r.mismatchf("%s: what it has hidden is called %q and %q: %v", s.country, s.whole, s.file, err)
		s.whole = "" // nobody can raid it
	}
}

// coverPath leads to the cover that every store has its canary in.
func (r *run) coverPath() string { return fmt.Sprintf("/covers/%d", r.config.Data.Albums[0].ID) }

// unstash takes away what stash has hidden.
func (r *run) unstash(ctx context.Context, s *store) {
	if s.till == "" {
		return
	}
	r.failed(ctx, s.country+": taking out what was hidden", clearOut(ctx, wire{r.client}, s.slug, s.till))
	a, err := r.client.send(ctx, http.MethodDelete, s.slug, "/api"+r.coverPath(), nil, nil)
	if !r.failed(ctx, s.country, err) && a.status != http.StatusNoContent {
		r.mismatchf("%s: removing a cover: status %d", s.country, a.status)
	}
}
