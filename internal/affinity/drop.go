package affinity

// Drop makes the idle connections that belong to key nobody's, or closes them,
// and those that are lent to it now as soon as they are given back; see
// [Config].
func (p *Pool[C]) Drop(key int64) {
	p.group.mu.Lock()
	var dropped []*Item[C]
	for len(p.idle[key]) > 0 {
		it := p.idle[key][0]
		p.unlink(it)
		dropped = append(dropped, it)
	}
	if own := p.keys[key]; own != nil {
		p.group.seq++
		own.dropped = p.group.seq
	}
	p.group.mu.Unlock()
	clearAll(dropped)
}

// clearAll makes connections nobody's that are neither idle nor lent. They keep
// their places, and are idle again once that is done.
func clearAll[C any](items []*Item[C]) {
	for _, it := range items {
		go func() {
			p := it.pool
			cleared := p.config.Clear != nil && p.config.Clear(it.Conn)
			g := p.group
			g.mu.Lock()
			var dead []*Item[C]
			if cleared && !p.closed {
				it.key, it.since = 0, g.clock()
				p.link(it)
			} else {
				dead = append(dead, p.retire(it))
			}
			g.dispatch()
			g.mu.Unlock()
			closeAll(dead)
		}()
	}
}
