package tenant

import (
	"cmp"
	"encoding/json"
	"iter"
	"maps"
	"slices"
)

// Labels are the host's own notes on a tenant: names and texts, at most
// [MaxLabels] of them. Labels never change; the zero value is empty.
type Labels struct {
	pairs []label // sorted by name
}

type label struct{ name, value string }

// MaxLabels is how many labels a tenant may have.
const MaxLabels = 64

// NewLabels returns the labels in m, which the caller may change afterwards.
func NewLabels(m map[string]string) Labels {
	if len(m) == 0 {
		return Labels{} // one form of emptiness, so that tenants compare well
	}
	pairs := make([]label, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, label{name, m[name]})
	}
	return Labels{pairs}
}

// Get returns the value of the label called name, and whether there is one.
func (l Labels) Get(name string) (string, bool) {
	i, ok := slices.BinarySearchFunc(l.pairs, name, func(p label, name string) int {
		return cmp.Compare(p.name, name)
	})
	if !ok {
		return "", false
	}
	return l.pairs[i].value, true
}

// Len returns the number of labels.
func (l Labels) Len() int { return len(l.pairs) }

// All yields names and values in the order of the names.
func (l Labels) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, p := range l.pairs {
			if !yield(p.name, p.value) {
				return
			}
		}
	}
}

// Map returns the labels as a map of the caller's own.
func (l Labels) Map() map[string]string { return maps.Collect(l.All()) }

// MarshalJSON implements [json.Marshaler]: labels are a JSON object.
func (l Labels) MarshalJSON() ([]byte, error) { return json.Marshal(l.Map()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Labels) UnmarshalJSON(text []byte) error {
	var m map[string]string
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	*l = NewLabels(m)
	return nil
}
