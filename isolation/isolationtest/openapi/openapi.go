// Package openapi reads the routes that package isolationtest drives out of an
// OpenAPI document, version 3.0 or 3.1.
package openapi

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/partywall/partywall/isolation/isolationtest"
)

// Routes returns the operations of a document, in JSON or YAML. What the
// document does not give an example or default of becomes a gap, to be filled
// by what the tenants' things are called: in bodies by the names of properties.
// Parameters that may be left out are, unless a tenant has a value for them.
//
// References to other files and servers are refused.
func Routes(ctx context.Context, document []byte) ([]isolationtest.Route, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("openapi: reading the document: %w", err)
	}
	if err := doc.Validate(ctx); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	base, err := doc.Servers.BasePath()
	if err != nil {
		return nil, fmt.Errorf("openapi: servers: %w", err)
	}
	var out []isolationtest.Route
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		for _, method := range slices.Sorted(maps.Keys(item.Operations())) {
			o := operation{item.GetOperation(method), item.Parameters}
			out = append(out, o.route(method, strings.TrimSuffix(base, "/")+path))
		}
	}
	return out, nil
}

// operation is one of a path's, with what all of the path's have in common.
type operation struct {
	*openapi3.Operation

	common openapi3.Parameters
}

func (o operation) route(method, path string) isolationtest.Route {
	header := http.Header{}
	var query []string
	for _, ref := range slices.Concat(o.common, o.Parameters) {
		p := ref.Value
		switch p.In {
		case openapi3.ParameterInQuery:
			query = append(query, url.QueryEscape(p.Name)+"="+gapOf(p))
		case openapi3.ParameterInHeader:
			if p.Required {
				header.Set(p.Name, gapOf(p))
			}
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	r := isolationtest.Routes(method + " " + path)[0]
	if len(header) > 0 {
		r.Header = header
	}
	return o.withBody(r)
}

// withBody adds a sample of the body that the operation asks for.
func (o operation) withBody(r isolationtest.Route) isolationtest.Route {
	if o.RequestBody == nil {
		return r
	}
	for _, contentType := range []string{"application/json", "application/x-www-form-urlencoded"} {
		media := o.RequestBody.Value.Content.Get(contentType)
		if media == nil || media.Schema == nil {
			continue
		}
		if contentType == "application/json" {
			return r.With(contentType, sample("", media.Schema.Value, nil))
		}
		return r.With(contentType, form(media.Schema.Value))
	}
	return r
}

// gapOf is a parameter as a gap, with what the document says of it as fallback.
func gapOf(p *openapi3.Parameter) string {
	fallback := ""
	if p.Example != nil {
		fallback = fmt.Sprint(p.Example)
	} else if p.Schema != nil {
		fallback = example(p.Schema.Value)
		if fallback == "" && p.Required {
			fallback = plain(p.Schema.Value)
		}
	}
	return "{" + p.Name + "|" + noBraces(fallback) + "}"
}

// example is a value that the document names, "" if it names none.
func example(s *openapi3.Schema) string {
	values := append([]any{s.Example, s.Const, s.Default}, append(s.Examples, s.Enum...)...)
	for _, v := range values {
		if v != nil {
			return fmt.Sprint(v)
		}
	}
	return ""
}

// plain is a value of the schema's type and format.
func plain(s *openapi3.Schema) string {
	switch {
	case s.Type.Is(openapi3.TypeInteger), s.Type.Is(openapi3.TypeNumber):
		if s.Min != nil && *s.Min > 1 {
			return fmt.Sprint(*s.Min)
		}
		return "1"
	case s.Type.Is(openapi3.TypeBoolean):
		return "true"
	}
	return cmp.Or(map[string]string{
		"date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "email": "someone@example.com",
		"uuid": "00000000-0000-4000-8000-000000000000", "uri": "https://example.com/",
	}[s.Format], "text")
}

// noBraces keeps a value from ending the gap that it stands in.
func noBraces(s string) string { return strings.NewReplacer("{", "", "}", "").Replace(s) }
