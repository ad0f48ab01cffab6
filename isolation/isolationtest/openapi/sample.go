package openapi

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// sample is JSON that fits a schema, in which each text and number that has a
// name is a gap. within are the schemas around it: one that contains itself ends
// there.
func sample(name string, s *openapi3.Schema, within []*openapi3.Schema) string {
	if slices.Contains(within, s) {
		return "null"
	}
	within = append(slices.Clip(within), s)
	for _, either := range []openapi3.SchemaRefs{s.OneOf, s.AnyOf} {
		if len(either) > 0 {
			return sample(name, either[0].Value, within)
		}
	}
	switch {
	case s.Example != nil && !scalar(s):
		return marshal(s.Example)
	case s.Type.Is(openapi3.TypeArray):
		if s.Items == nil || slices.Contains(within, s.Items.Value) {
			return "[]"
		}
		return "[" + sample(name, s.Items.Value, within) + "]"
	case !scalar(s):
		return object(s, within)
	}
	value := example(s)
	if value == "" {
		value = plain(s)
	}
	if name != "" {
		value = "{" + name + "|" + noBraces(value) + "}"
	}
	if s.Type.Is(openapi3.TypeString) {
		return marshal(value)
	}
	return value
}

// object is a sample of all properties that a client may set.
func object(s *openapi3.Schema, within []*openapi3.Schema) string {
	properties := openapi3.Schemas{}
	for _, part := range append([]*openapi3.SchemaRef{{Value: s}}, s.AllOf...) {
		maps.Copy(properties, part.Value.Properties)
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if p := properties[name].Value; !p.ReadOnly && !slices.Contains(within, p) {
			pairs = append(pairs, marshal(name)+": "+sample(name, p, within))
		}
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}

// form is a sample as HTML forms send it.
func form(s *openapi3.Schema) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		pairs = append(pairs, url.QueryEscape(name)+"="+strings.Trim(sample(name, s.Properties[name].Value, nil), `"`))
	}
	return strings.Join(pairs, "&")
}

func scalar(s *openapi3.Schema) bool {
	return s.Type.Is(openapi3.TypeString) || s.Type.Is(openapi3.TypeBoolean) || s.Type.Is(openapi3.TypeInteger) || s.Type.Is(openapi3.TypeNumber)
}

// marshal is v as JSON. What came from JSON goes back into it.
func marshal(v any) string {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "null"
	}
	return strings.TrimSpace(text.String())
}
