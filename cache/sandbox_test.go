package cache

import (
	"strings"
	"testing"
)

// escapes are scripts that try to read the key in ARGV[1], which is none of
// their KEYS.
func escapes() map[string]string {
	return map[string]string{
		"going on with the statement before":  `, redis return server.call("GET", ARGV[1])`,
		"and with its expression":             `and redis return redis.call("GET", ARGV[1])`,
		"calling what it returned":            `(function(r) return r.call("GET", ARGV[1]) end)(redis)`,
		"indexing what it returned":           `.call("GET", ARGV[1])`,
		"ending the function around":          `return 1 end local r = redis function f() return r.call("GET", ARGV[1])`,
		"a comment that is never closed":      `--[[ return redis.call("GET", ARGV[1])`,
		"a long string":                       `]] return redis.call("GET", ARGV[1])`,
		"more KEYS":                           `table.insert(KEYS, ARGV[1]) return redis.call("GET", KEYS[#KEYS])`,
		"other KEYS":                          `KEYS = {ARGV[1]} return redis.call("GET", KEYS[1])`,
		"KEYS with a metatable":               `setmetatable(KEYS, {__index = function() return ARGV[1] end}) return redis.call("GET", KEYS[9])`,
		"a key that says it is another":       `return redis.call("GET", setmetatable({ARGV[1]}, {__tostring = function() return KEYS[1] end}))`,
		"a key that changes":                  `local n = 0 return redis.call("MGET", KEYS[1], setmetatable({}, {__tostring = function() n = n + 1 return n == 1 and KEYS[1] or ARGV[1] end}))`,
		"its own tostring":                    `tostring = function() return KEYS[1] end return redis.call("GET", ARGV[1])`,
		"its own string.lower":                `string.lower = function() return "echo" end return redis.call("GET", ARGV[1])`,
		"its own error":                       `error = function() end return redis.call("GET", ARGV[1])`,
		"its own pairs":                       `rawset(string, "lower", function() return "echo" end) return redis.call("GET", ARGV[1])`,
		"the environment":                     `return getfenv(0).redis.call("GET", ARGV[1])`,
		"the environment of a function":       `return getfenv(redis.call).real.call("GET", ARGV[1])`,
		"another environment":                 `setfenv(1, {}) return redis.call("GET", ARGV[1])`,
		"debug":                               `return select(2, debug.getupvalue(redis.call, 2)).call("GET", ARGV[1])`,
		"loading":                             `return loadstring("return redis.call('GET', ARGV[1])")()`,
		"loading by pieces":                   `local n = 0 return load(function() n = n + 1 if n == 1 then return "return redis.call('GET', ARGV[1])" end end)()`,
		"the globals of the globals":          `return _G._G.redis.call("GET", ARGV[1])`,
		"what the globals fall back on":       `return getmetatable(_G).__index.redis.call("GET", ARGV[1])`,
		"packages":                            `return package.loaded.redis.call("GET", ARGV[1])`,
		"the metatable of strings":            `getmetatable("").__index.lower = function() return "echo" end return redis.call("GET", ARGV[1])`,
		"the metatable of redis":              `return getmetatable(redis).__index.call("GET", ARGV[1])`,
		"another coroutine":                   `return coroutine.wrap(function() return redis.call("GET", ARGV[1]) end)()`,
		"a yield within a key":                `return coroutine.wrap(function() return redis.call("GET", coroutine.yield(ARGV[1]) or ARGV[1]) end)()  and redis.call("GET", ARGV[1])`,
		"the handler of an error":             `local _, v = xpcall(function() return redis.call("GET", ARGV[1]) end, function(e) return redis.call("GET", ARGV[1]) end) if type(v) == "string" then error(v) end return v`,
		"an error object":                     `local _, e = pcall(redis.call, "GET", ARGV[1]) if type(e) == "table" then return e.err and redis.call("GET", ARGV[1]) end error(e)`,
		"holes among the arguments":           `return redis.call("MGET", KEYS[1], nil, ARGV[1])`,
		"holes at the end":                    `return redis.call("MGET", KEYS[1], ARGV[1], nil, nil)`,
		"too many for a table":                `return redis.call("MGET", KEYS[1], unpack({nil, nil, nil, ARGV[1]}, 1, 4))`,
		"a count in another base":             `return redis.call("ZUNION", "0x1", KEYS[1], ARGV[1])`,
		"a count with blanks":                 `return redis.call("ZUNION", " 1 ", KEYS[1], ARGV[1])`,
		"a count with a fraction":             `return redis.call("ZUNION", 1.5, KEYS[1], ARGV[1])`,
		"a count below zero":                  `return redis.call("ZUNION", -1, ARGV[1])`,
		"a count that is none":                `return redis.call("ZUNION", 0/0, ARGV[1])`,
		"a count without end":                 `return redis.call("ZUNION", 1/0, ARGV[1])`,
		"a count in exponents":                `return redis.call("ZUNION", "1e0", KEYS[1], ARGV[1])`,
		"fewer than are there":                `return redis.call("ZUNION", 1, KEYS[1], ARGV[1])`,
		"the destination":                     `return redis.call("ZUNIONSTORE", ARGV[1], 1, KEYS[1])`,
		"a command with a space":              `return redis.call("GET " .. ARGV[1])`,
		"a command in pieces":                 `return redis.call("object|freq", ARGV[1])`,
		"a command with a zero":               `return redis.call("echo\0", ARGV[1]) and redis.call("GET\0", ARGV[1])`,
		"a subcommand":                        `return redis.call("OBJECT", "ENCODING", ARGV[1])`,
		"memory":                              `return redis.call("MEMORY", "USAGE", ARGV[1])`,
		"storing where one is":                `return redis.call("GEORADIUS", KEYS[1], 0, 0, 1, "m", "STORE", ARGV[1])`,
		"sorting":                             `return redis.call("SORT", KEYS[1], "BY", "nosort", "GET", ARGV[1])`,
		"copying":                             `return redis.call("COPY", ARGV[1], KEYS[1])`,
		"renaming":                            `return redis.call("RENAME", ARGV[1], KEYS[1])`,
		"streams":                             `return redis.call("XREAD", "STREAMS", ARGV[1], "0")`,
		"telling":                             `return redis.call("PUBLISH", ARGV[1], "x")`,
		"walking":                             `return redis.call("SCAN", 0)`,
		"any":                                 `return redis.call("RANDOMKEY")`,
		"a script of its own":                 `return redis.call("EVAL", "return 1", 0)`,
		"functions":                           `return redis.register_function("f", function() return redis.call("GET", ARGV[1]) end)`,
		"another protocol, then":              `redis.setresp(3) return redis.call("GET", ARGV[1])`,
		"the box's own table":                 `for name, f in pairs(redis) do if name ~= "call" and name ~= "pcall" and type(f) == "function" then local ok, v = pcall(f, "GET", ARGV[1]) if ok and v == ARGV[2] then return v end end end error("none")`,
		"packed and unpacked":                 `return redis.call("GET", cmsgpack.unpack(cmsgpack.pack(ARGV[1])))`,
		"by way of JSON":                      `return redis.call("GET", cjson.decode(cjson.encode({ARGV[1]}))[1])`,
		"by way of a struct":                  `return redis.call("GET", (struct.unpack("s", struct.pack("s", ARGV[1]))))`,
		"a number":                            `return redis.call("GET", 12345678901234567890)`,
		"pcall that is made to look":          `local r = redis.pcall("GET", ARGV[1]) if r.err then error(r.err) end return r`,
		"the KEYS of the script before":       `return redis.call("GET", KEYS[2])`,
		"taking the check apart":              `local f = string.dump(redis.call) return loadstring(f)("GET", ARGV[1])`,
		"a first line that is not the script": "#!lua name=x\n, redis return server.call('GET', ARGV[1])",
		"a first line, then the statement":    "#!lua\n, redis return server.call('GET', ARGV[1])",
		"a first line that never ends":        `#!lua return redis.call("GET", ARGV[1])`,
	}
}

// harmed plays the escapes and returns the names of those that got at the
// secret, or changed it.
func (h *house) harmed(t *testing.T) []string {
	t.Helper()
	const secret = "globex's secret"
	target := h.prefix + "t10:s"
	var names []string
	for name, source := range escapes() {
		must(t, h.raw.Set(t.Context(), target, secret, 0).Err())
		v, err := h.Eval(h.inA, source, []string{"own"}, target, secret).Result()
		text, _ := v.(string)
		after, lost := h.raw.Get(t.Context(), target).Result()
		if strings.Contains(text, secret) || err == nil && v != nil || lost != nil || after != secret {
			names = append(names, name)
			t.Logf("%s: %v, %v; then %q, %v", name, v, err, after, lost)
		}
	}
	return names
}

// TestSandbox tries to get out.
func TestSandbox(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Options{})
	for _, name := range h.harmed(t) {
		t.Errorf("%s got out", name)
	}
}

// TestSandboxTornDown takes away what holds the scripts, a part at a time.
func TestSandboxTornDown(t *testing.T) {
	t.Parallel()
	for name, weaken := range map[string]func(string) string{
		"no sandbox":       func(string) string { return "" },
		"no check of keys": func(s string) string { return strings.Replace(s, "for at = begin, last, step", "for at = 1, 0", 1) },
		"no list of commands": func(s string) string {
			return strings.Replace(s, "if not spec then", "if not spec then do return end", 1)
		},
		"a statement that goes on": func(s string) string { return strings.Replace(s, "KEYS);", "KEYS)", 1) },
		"the globals":              func(s string) string { return strings.Replace(s, "_G, load, loadstring =", "_, load, loadstring =", 1) },
		"loading":                  func(s string) string { return strings.Replace(s, "load, loadstring =", "_, _ =", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, Options{})
			weak := weaken(h.known.scripts.sandbox)
			if weak == h.known.scripts.sandbox {
				t.Fatal("nothing was taken away")
			}
			h.known.scripts.sandbox = weak
			if len(h.harmed(t)) == 0 {
				t.Error("no escape gets out: they prove nothing")
			}
		})
	}
}
