package isolationtest

import "strings"

// gap is a {name} or {name|fallback} in a route.
type gap struct {
	name, fallback string
	optional       bool
}

// parseGap reads what is between two braces. What is no gap is the text's own,
// as JSON's braces are.
func parseGap(inner string) (g gap, ok bool) {
	g.name, g.fallback, g.optional = strings.Cut(inner, "|")
	return g, isName(g.name)
}

func isName(s string) bool {
	for i, c := range s {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-.", c)) {
			return false
		}
	}
	return s != ""
}

// fill puts values into the gaps of a text, as far as there are any.
func fill(text string, value func(gap) (string, bool)) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		inner, after, closed := strings.Cut(rest, "}")
		g, ok := parseGap(inner)
		if !closed || !ok {
			out.WriteString("{")
			text = rest
			continue
		}
		if v, known := value(g); known {
			out.WriteString(v)
		} else {
			out.WriteString("{" + inner + "}")
		}
		text = after
	}
}

// with are the values of identifiers, and the fallbacks of those that there are
// none for.
func with(ids map[string]string, escape func(string) string) func(gap) (string, bool) {
	return func(g gap) (string, bool) {
		if v, known := ids[g.name]; known {
			return escape(v), true
		}
		return escape(g.fallback), g.optional
	}
}

func asIs(s string) string { return s }

// gaps turns the ways in which routers write gaps into ours.
func gaps(path string) string {
	var out strings.Builder
	for path != "" {
		switch end := gapEnd(path); {
		case end > 0:
			if name := gapName(path[1 : end-1]); name != "$" {
				out.WriteString("{" + qualified(out.String(), name) + "}")
			}
			path = path[end:]
		case strings.HasSuffix(out.String(), "/") && (path[0] == ':' || path[0] == '*') && len(path) > 1:
			name, _, _ := strings.Cut(path[1:], "/")
			out.WriteString("{" + qualified(out.String(), name) + "}")
			path = path[1+len(name):]
		default:
			out.WriteByte(path[0])
			path = path[1:]
		}
	}
	return out.String()
}

// gapName is the name in another router's gap, which may say what matches. Our
// own may have a fallback.
func gapName(inner string) string {
	if strings.Contains(inner, "|") {
		return inner
	}
	name, _, _ := strings.Cut(strings.TrimLeft(inner, "*"), ":")
	return strings.TrimSuffix(name, "...")
}

// qualified calls an id after what it is an id of, since most things have one.
func qualified(before, name string) string {
	if !strings.EqualFold(name, "id") || !strings.HasSuffix(before, "/") {
		return name
	}
	segments := strings.Split(before, "/")
	if of := segments[len(segments)-2]; isName(of) {
		return of + "." + name
	}
	return name
}

// gapEnd is where the gap ends that path begins with, which may hold braces of
// a regular expression; 0 if it begins with none.
func gapEnd(path string) int {
	if path[0] != '{' {
		return 0
	}
	depth := 0
	for i := range len(path) {
		switch path[i] {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 {
			return i + 1
		}
	}
	return 0
}
