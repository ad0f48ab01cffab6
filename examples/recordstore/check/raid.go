package check

import (
	"context"
	"net/http"

	"github.com/partywall/partywall/examples/recordstore/web"
)

// host is what is raided: the chain, over the wire, or a naive one.
type host interface {
	// redis runs commands for a store as one pipeline, the first one for with
	// if that is not empty, and returns all that came of it.
	redis(ctx context.Context, slug, with string, commands [][]string) (string, error)
	// bucket does something with a store's bucket.
	bucket(ctx context.Context, slug string, g web.Grab) (string, error)
	// follow sends a request to a signed address.
	follow(ctx context.Context, method, address string) (string, error)
}

// raid is one way to get at what another store keeps beside its rows.
type raid struct {
	name     string
	lists    bool // the name of the prize is prize enough
	together bool // the first command is the owner's
	commands [][]string
	grabs    []web.Grab
	// sign is what to have an address signed for, which is bent, and then
	// followed with the method.
	sign, method string
	bend         map[string]string
}

// raids are all of them, as they are printed.
func raids() (all []raid) {
	for _, d := range redisRaids() {
		d.name = "cache: " + d.name
		all = append(all, d)
	}
	for _, d := range bucketRaids() {
		d.name = "bucket: " + d.name
		all = append(all, d)
	}
	return all
}

func redisRaids() []raid {
	lua := func(script string, words ...string) [][]string {
		return [][]string{append([]string{"EVAL", script}, words...)}
	}
	return []raid{
		{name: "a second key", commands: [][]string{{"MGET", "$own", "$whole", "$key"}}},
		{name: "a delimiter in a key", commands: [][]string{{"GET", "$tail"}}},
		{name: "KEYS", lists: true, commands: [][]string{{"KEYS", "*"}}},
		{name: "SCAN", lists: true, commands: [][]string{{"SCAN", "0", "COUNT", "1000"}}},
		{name: "SCAN for a name", lists: true, commands: [][]string{{"SCAN", "0", "MATCH", "*$key", "COUNT", "1000"}}},
		{name: "COPY over it", commands: [][]string{{"COPY", "$own", "$whole", "REPLACE"}}},
		{name: "UNLINK beside one's own", commands: [][]string{{"UNLINK", "nothing", "$whole"}}},
		{name: "Lua with a key of another's", commands: lua(`return redis.call("GET", KEYS[1])`, "1", "$whole")},
		{name: "Lua with an undeclared key", commands: lua(`return redis.call("GET", ARGV[1])`, "0", "$whole")},
		{name: "Lua that writes to one", commands: lua(`return redis.call("SET", ARGV[1], "defaced")`, "0", "$whole")},
		{name: "Lua that lists", lists: true, commands: lua(`return redis.call("KEYS", "*")`, "0")},
		{name: "a pipeline of two stores", together: true, commands: [][]string{{"GET", "$key"}, {"GET", "$own"}}},
	}
}

func bucketRaids() []raid {
	do := func(grabs ...web.Grab) []web.Grab { return grabs }
	return []raid{
		{name: "a path upwards", grabs: do(web.Grab{Do: "read", Name: "$up"})},
		{name: "a path upwards, encoded", grabs: do(web.Grab{Do: "read", Name: "$encoded"})},
		{name: "a path upwards, in full width", grabs: do(web.Grab{Do: "read", Name: "$wide"})},
		{name: "its whole name", grabs: do(web.Grab{Do: "read", Name: "$file"}, web.Grab{Do: "read", Name: "/$file"})},
		{name: "a prefix of nothing", lists: true, grabs: do(web.Grab{Do: "list"})},
		{name: "copying it here", grabs: do(web.Grab{Do: "copy", Name: "$up", To: "stolen"}, web.Grab{Do: "read", Name: "stolen"})},
		{name: "writing over it", grabs: do(web.Grab{Do: "write", Name: "$up", Text: "defaced"})},
		{name: "deleting it", grabs: do(web.Grab{Do: "delete", Name: "$up"})},
		{name: "an address signed for it", sign: "$up", method: http.MethodGet},
		{name: "another name in a signed address", sign: "$own", method: http.MethodGet, bend: map[string]string{"obj": "$file"}},
		{
			name: "another method as well", sign: "$own", method: http.MethodDelete,
			bend: map[string]string{"obj": "$file", "method": http.MethodDelete},
		},
	}
}
