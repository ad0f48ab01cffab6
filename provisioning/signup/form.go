package signup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// Form is what somebody wishes.
type Form struct {
	Slug, Name, Plan string
	// Fields are all other fields, of the host's own form.
	Fields map[string]string
}

// What a request may be at most, in bytes and in fields.
const (
	maxBody   = 16 << 10
	maxFields = 32
)

// The conditions worth branching on.
var (
	errMalformed   = errors.New("signup: request cannot be read")
	errTooLarge    = errors.New("signup: request is too large")
	errUnsupported = errors.New("signup: neither a form nor JSON")
)

// malformed says what is wrong with a request, in words that its client reads.
type malformed struct{ detail string }

func (e *malformed) Error() string { return errMalformed.Error() + ": " + e.detail }

func (e *malformed) Is(target error) bool { return target == errMalformed }

// isForm reports whether a request comes from a page.
func isForm(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // "" if there is none
	return kind == "application/x-www-form-urlencoded"
}

// read reads a wish, and its idempotency key, "" for none.
func read(w http.ResponseWriter, r *http.Request) (f Form, key string, err error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			err = errTooLarge
		}
		return f, "", err
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var fields map[string]string
	switch {
	case isForm(r):
		fields, err = readForm(string(raw))
	case kind == "application/json":
		fields, err = readJSON(string(raw))
	default:
		err = errUnsupported
	}
	if err != nil {
		return f, "", err
	}
	take := func(name string) string {
		value := fields[name]
		delete(fields, name)
		return value
	}
	f = Form{Slug: strings.TrimSpace(take("slug")), Name: strings.TrimSpace(take("name")), Plan: take("plan")}
	key = take("key")
	f.Fields = fields
	if values := r.Header.Values("Idempotency-Key"); len(values) == 1 {
		key = strings.Trim(values[0], `"`) // it is a string of RFC 8941, and often sent as none
	} else if len(values) > 1 {
		return f, "", &malformed{"There are two idempotency keys."}
	}
	return f, key, checkKey(key)
}

// checkKey refuses keys that others might guess.
func checkKey(key string) error {
	if key == "" {
		return nil
	}
	if len(key) < 16 || len(key) > 200 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return &malformed{"An idempotency key has 16 to 200 visible ASCII characters."}
	}
	return nil
}

// readForm reads what a page sends.
func readForm(text string) (map[string]string, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, &malformed{"The form is not well-formed."}
	}
	fields := map[string]string{}
	for name, all := range values {
		if len(all) > 1 {
			return nil, &malformed{"A field comes twice."}
		}
		fields[name] = all[0]
	}
	return fields, checkCount(len(fields))
}

// readJSON reads an object of strings. Of names that come twice there is none
// that everybody would take, so it is read by token.
func readJSON(text string) (map[string]string, error) {
	tokens := json.NewDecoder(strings.NewReader(text))
	if begin, err := tokens.Token(); err != nil || begin != json.Delim('{') {
		return nil, &malformed{"The body is not a JSON object."}
	}
	fields := map[string]string{}
	for tokens.More() {
		name, err := tokens.Token()
		if err != nil {
			return nil, &malformed{"The body is not JSON."}
		}
		value, err := tokens.Token()
		text, isText := value.(string)
		if err != nil || !isText {
			return nil, &malformed{"The body is not a JSON object of strings."}
		}
		if _, twice := fields[fmt.Sprint(name)]; twice {
			return nil, &malformed{"A field comes twice."}
		}
		fields[fmt.Sprint(name)] = text
	}
	if _, err := tokens.Token(); err != nil {
		return nil, &malformed{"The body is not JSON."}
	}
	if _, err := tokens.Token(); !errors.Is(err, io.EOF) {
		return nil, &malformed{"There is more than one JSON object."}
	}
	return fields, checkCount(len(fields))
}

func checkCount(fields int) error {
	if fields > maxFields {
		return &malformed{fmt.Sprintf("There are more than %d fields.", maxFields)}
	}
	return nil
}
