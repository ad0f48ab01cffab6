package isolationtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// archive is the part of an HTTP Archive (HAR 1.2) that says what was asked.
type archive struct {
	Log struct {
		Entries []struct {
			Request struct {
				Method  string `json:"method"`
				URL     string `json:"url"`
				Headers []struct {
					Name  string `json:"name"`
					Value string `json:"value"`
				} `json:"headers"`
				PostData *struct {
					Text string `json:"text"`
				} `json:"postData"`
			} `json:"request"`
		} `json:"entries"`
	} `json:"log"`
}

// HAR reads the requests to one host out of an HTTP Archive, as browsers save
// it. ids are what the things of the recorded tenant are called, by name; see
// [Recorder.Routes].
func HAR(r io.Reader, host string, ids map[string]string) ([]Route, error) {
	var a archive
	if err := json.NewDecoder(r).Decode(&a); err != nil {
		return nil, fmt.Errorf("isolationtest: reading an HTTP archive: %w", err)
	}
	var routes []Route
	for i, e := range a.Log.Entries {
		u, err := url.Parse(e.Request.URL)
		if err != nil {
			return nil, fmt.Errorf("isolationtest: entry %d of an HTTP archive: %w", i, err)
		}
		if u.Host != host {
			continue
		}
		header, body := http.Header{}, ""
		for _, h := range e.Request.Headers {
			header.Add(h.Name, h.Value)
		}
		if e.Request.PostData != nil {
			body = e.Request.PostData.Text
		}
		routes = append(routes, recorded(e.Request.Method, u.RequestURI(), header, body))
	}
	if len(routes) == 0 {
		return nil, fmt.Errorf("isolationtest: the HTTP archive has no requests to %q", host)
	}
	return templates(routes, ids), nil
}
