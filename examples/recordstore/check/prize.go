package check

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/partywall/partywall/examples/recordstore/web"
)

// prize is what a raid is after, with all names that it has below the host: a
// wall that holds needs no secrets.
type prize struct {
	robber, owner string // slugs
	own, key      string // names of what each of the two keeps, in its cache and in its bucket
	loot          string // what the owner's holds
	whole, tail   string // the key as Redis has it, and what of it the robber's has not
	file, up      string // the file as the store has it, and the way there from the robber's folder
	shelf         string // the path of a signed address to the owner's bucket
}

func (p *prize) fill() *strings.Replacer {
	return strings.NewReplacer("$own", p.own, "$key", p.key, "$whole", p.whole, "$tail", p.tail, "$file", p.file, "$up", p.up,
		"$encoded", strings.NewReplacer(".", "%2e", "/", "%2f").Replace(p.up),
		"$wide", strings.NewReplacer(".", "．", "/", "／").Replace(p.up))
}

// lead plays a raid and returns what it got, "" for nothing.
func (p *prize) lead(ctx context.Context, h host, d raid) (string, error) {
	text, err := p.take(ctx, h, d)
	if err != nil {
		return "", err
	}
	if strings.Contains(text, p.loot) || d.lists && strings.Contains(text, p.key) {
		return text, nil
	}
	return p.harm(ctx, h)
}

// take returns all that the host answers to a raid.
func (p *prize) take(ctx context.Context, h host, d raid) (string, error) {
	fill, with := p.fill(), ""
	if d.together {
		with = p.owner
	}
	var commands [][]string
	for _, words := range d.commands {
		var filled []string
		for _, word := range words {
			filled = append(filled, fill.Replace(word))
		}
		commands = append(commands, filled)
	}
	var all strings.Builder
	if commands != nil {
		text, err := h.redis(ctx, p.robber, with, commands)
		if err != nil {
			return "", err
		}
		all.WriteString(text)
	}
	for _, g := range d.grabs {
		g.Name = fill.Replace(g.Name)
		text, err := h.bucket(ctx, p.robber, g)
		if err != nil {
			return "", err
		}
		all.WriteString(text)
	}
	if d.sign == "" {
		return all.String(), nil
	}
	return p.bend(ctx, h, d)
}

// bend has an address signed, and follows what it makes of it.
func (p *prize) bend(ctx context.Context, h host, d raid) (string, error) {
	signed, err := h.bucket(ctx, p.robber, web.Grab{Do: "sign", Name: p.fill().Replace(d.sign), Method: http.MethodGet})
	if err != nil {
		return "", err
	}
	u, err := url.Parse(strings.TrimSpace(signed))
	if err != nil || !u.Query().Has("signature") {
		return "", nil //nolint:nilerr // it is the reason for there being none
	}
	if d.bend != nil {
		u.Path = p.shelf
	}
	q := u.Query()
	for name, value := range d.bend {
		q.Set(name, p.fill().Replace(value))
	}
	u.RawQuery = q.Encode()
	return h.follow(ctx, d.method, u.String())
}

// harm reports what has become of the prize, "" for nothing. It puts it back,
// so that there is something to be had by the next raid.
func (p *prize) harm(ctx context.Context, h host) (string, error) {
	cached, err := h.redis(ctx, p.owner, "", [][]string{{"GET", p.key}})
	if err != nil {
		return "", err
	}
	kept, err := h.bucket(ctx, p.owner, web.Grab{Do: "read", Name: p.key})
	if err != nil || strings.Contains(cached, p.loot) && strings.Contains(kept, p.loot) {
		return "", err
	}
	return "it, and it is no longer what it was", hide(ctx, h, p.owner, p.key, p.loot)
}

// hide puts something into a store's cache and bucket.
func hide(ctx context.Context, h host, slug, name, text string) error {
	if _, err := h.redis(ctx, slug, "", [][]string{{"SET", name, text}}); err != nil {
		return err
	}
	_, err := h.bucket(ctx, slug, web.Grab{Do: "write", Name: name, Text: text})
	return err
}

// clearOut takes it out again.
func clearOut(ctx context.Context, h host, slug, name string) error {
	if _, err := h.redis(ctx, slug, "", [][]string{{"DEL", name}}); err != nil {
		return err
	}
	_, err := h.bucket(ctx, slug, web.Grab{Do: "delete", Name: name})
	return err
}
