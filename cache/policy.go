package cache

import "strings"

// decide says of every command what the wall does to it. What has keys, and
// says where they are, has them rewritten; what is not named here and has none
// is refused.
func (all commands) decide() {
	for _, c := range all {
		c.decide()
		for _, below := range c.below {
			below.decide()
		}
	}
	for reason, names := range refusals() {
		for name := range strings.FieldsSeq(names) {
			all.refuse(name, reason)
		}
	}
	for name := range strings.FieldsSeq(harmless) {
		all.at(name).refused = ""
	}
	for name, s := range specials() {
		c := all.at(name)
		c.refused, c.before, c.after, c.outside, c.everyNode = "", s.before, s.after, s.outside, s.everyNode
	}
	for name := range strings.FieldsSeq(writers) {
		all.at(name).writes = true
	}
}

// decide is by what Redis says alone.
func (c *command) decide() {
	if len(c.keys) == 0 {
		c.refused = "it has no keys to tell a tenant by"
	}
	for _, k := range c.keys {
		if k.partial {
			c.refused = "Redis does not say of all its keys"
		}
	}
}

// refuse refuses a command, and all below one that ends in "|*".
func (all commands) refuse(name, reason string) {
	if outer, ok := strings.CutSuffix(name, "|*"); ok {
		for _, below := range all[outer].below {
			below.refused = reason
		}
		return
	}
	all.at(name).refused = reason
}

// harmless have no keys, and show nothing of anybody.
const harmless = `ping echo time wait`

// writers may write, or tell others something, though Redis does not say so.
const writers = `eval evalsha publish spublish`

// refusals are the commands that have no place behind the wall, by why.
func refusals() map[string]string {
	return map[string]string{
		"it is about the server, not about a tenant": `
			acl|* bgrewriteaof bgsave cluster|* command|* config|* debug failover info lastsave
			latency|* lolwut memory|doctor memory|help memory|malloc-stats memory|purge memory|stats
			module|* monitor object|help pfselftest pfdebug psync pubsub|help pubsub|numpat
			readonly readwrite replconf replicaof role save shutdown slaveof slowlog|* sync
			xgroup|help xinfo|help`,
		"it changes or shows the connection, which others use": `
			asking auth client|* hello quit reset select`,
		"it is about everybody's keys; a tenant's end by Purge": `
			dbsize flushall flushdb swapdb`,
		"it picks among everybody's keys; use Keys": `
			randomkey`,
		"it takes keys elsewhere": `
			migrate move restore-asking`,
		"transactions are TxPipelined and Watch": `
			multi exec discard watch unwatch`,
		"subscriptions are Subscribe, PSubscribe and SSubscribe": `
			subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe`,
		"functions are everybody's, and may touch any key": `
			fcall fcall_ro function|*`,
		"scripts are everybody's": `
			script|debug script|flush script|help script|kill`,
	}
}

// special is what is done to a command instead of rewriting its keys, or
// besides.
type special struct {
	before    func(c *call) error
	after     reply
	outside   bool
	everyNode bool
}

// specials are the commands that say keys where specifications do not look,
// and those whose replies have keys.
func specials() map[string]special {
	return map[string]special{
		"keys":                 {before: (*call).pattern, after: stripAll, outside: true},
		"scan":                 {before: (*call).scan, after: stripScan, outside: true},
		"copy":                 {before: (*call).copy},
		"sort":                 {before: (*call).sort},
		"sort_ro":              {before: (*call).sort},
		"blpop":                {after: stripFirst},
		"brpop":                {after: stripFirst},
		"bzpopmin":             {after: stripFirst},
		"bzpopmax":             {after: stripFirst},
		"lmpop":                {after: stripFirst},
		"blmpop":               {after: stripFirst},
		"zmpop":                {after: stripFirst},
		"bzmpop":               {after: stripFirst},
		"xread":                {after: stripStreams},
		"xreadgroup":           {after: stripStreams},
		"publish":              {before: (*call).publish},
		"spublish":             {before: (*call).publish},
		"pubsub|channels":      {before: (*call).channels, after: stripAll, outside: true},
		"pubsub|shardchannels": {before: (*call).channels, after: stripAll, outside: true},
		"pubsub|numsub":        {before: (*call).counted, after: stripPairs},
		"pubsub|shardnumsub":   {before: (*call).counted, after: stripPairs},
		"eval":                 {before: (*call).script},
		"eval_ro":              {before: (*call).script},
		"evalsha":              {before: (*call).hashed},
		"evalsha_ro":           {before: (*call).hashed},
		"script|load":          {before: (*call).load, after: renameScript, everyNode: true},
		"script|exists":        {before: (*call).exists},
	}
}

// modules are the commands of RedisJSON, which a server may have and the one
// that the table is made from had not.
func modules() []command {
	var all []command
	first := []keySpec{{begin: 1, step: 1}}
	for name := range strings.FieldsSeq(`json.arrappend json.arrinsert json.arrpop json.arrtrim json.clear json.del
		json.forget json.merge json.numincrby json.nummultby json.set json.strappend json.toggle`) {
		all = append(all, command{name: name, writes: true, keys: first})
	}
	for name := range strings.FieldsSeq(`json.arrindex json.arrlen json.get json.objkeys json.objlen json.resp
		json.strlen json.type`) {
		all = append(all, command{name: name, keys: first})
	}
	return append(all,
		command{name: "json.mget", keys: []keySpec{{begin: 1, last: -2, step: 1}}},
		command{name: "json.mset", writes: true, keys: []keySpec{{begin: 1, last: -3, step: 3}}})
}
