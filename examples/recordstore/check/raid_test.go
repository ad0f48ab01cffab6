package check

import (
	"context"
	"testing"

	"github.com/partywall/partywall/examples/recordstore/web"
)

// deaf is a host that does nothing at all. Who finds nothing there has not
// found a wall.
type deaf struct{}

func (deaf) redis(context.Context, string, string, [][]string) (string, error) { return "", nil }
func (deaf) bucket(context.Context, string, web.Grab) (string, error)          { return "", nil }
func (deaf) follow(context.Context, string, string) (string, error)            { return "", nil }

// TestRaids has every raid rob a naive host, which has what there is to be had
// again afterwards, and finds that nothing is kept by a deaf one.
func TestRaids(t *testing.T) {
	t.Parallel()
	r := &run{}
	r.raidNaive(t.Context())
	if len(r.result.Mismatches) > 0 || len(r.result.Raids) != len(raids()) {
		t.Errorf("%d raids, %q", len(r.result.Raids), r.result.Mismatches)
	}
	p := &prize{robber: "a", owner: "b", own: "mine", key: "till", loot: "takings"}
	for _, d := range raids() {
		if got, err := p.lead(t.Context(), deaf{}, d); got == "" || err != nil {
			t.Errorf("%s: a deaf host passes for a wall: %v", d.name, err)
		}
	}
}

// TestRaidOfNothing plays what even a naive host withstands.
func TestRaidOfNothing(t *testing.T) {
	t.Parallel()
	n, err := newNaive()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	p := &prize{robber: "a", owner: "b", own: "mine", key: "till", loot: "takings"}
	for _, who := range [][3]string{{"a", "mine", "little"}, {"b", "till", "takings"}} {
		if err := hide(t.Context(), n, who[0], who[1], who[2]); err != nil {
			t.Fatal(err)
		}
	}
	harmless := raid{
		commands: [][]string{{"GET", "$key"}, {"SET", "$key", "other"}, {"KEYS", "*"}},
		grabs:    []web.Grab{{Do: "read", Name: "$key"}, {Do: "write", Name: "$key", Text: "other"}, {Do: "list"}},
	}
	if got, err := p.lead(t.Context(), n, harmless); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
