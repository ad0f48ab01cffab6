package signup_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/partywall/partywall/provisioning/signup"
)

// listener reads server-sent events as a browser does.
type listener struct {
	*bufio.Scanner

	answer *http.Response
	beats  int
}

// listen follows a sign-up, after an event that was seen before.
func listen(t testing.TB, url string, seen int64) *listener {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if seen > 0 {
		r.Header.Set("Last-Event-ID", strconv.FormatInt(seen, 10))
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return &listener{Scanner: bufio.NewScanner(answer.Body), answer: answer}
}

// next returns the next event, or what has come of it all; neither when the
// server hangs up.
func (l *listener) next(t testing.TB) (event *signup.Event, end *signup.Status) {
	t.Helper()
	var id, kind, data string
	for l.Scan() {
		name, value, _ := strings.Cut(l.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case l.Text() == ":":
			l.beats++
		case name == "id":
			id = value
		case name == "event":
			kind = value
		case name == "data":
			data = value
		case l.Text() == "" && kind == "end":
			end = new(signup.Status)
			if err := json.Unmarshal([]byte(data), end); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			for l.Scan() { // until the server has let go
			}
			return nil, end
		case l.Text() == "" && data != "":
			event = new(signup.Event)
			if err := json.Unmarshal([]byte(data), event); err != nil || strconv.FormatInt(event.Number, 10) != id {
				t.Fatalf("%s: %s: %v", id, data, err)
			}
			return event, nil
		}
	}
	return nil, nil
}

// rest reads to the end.
func (l *listener) rest(t testing.TB) (events []signup.Event, end *signup.Status) {
	t.Helper()
	for {
		event, end := l.next(t)
		if event == nil {
			return events, end
		}
		events = append(events, *event)
	}
}
