package affinity

import "slices"

// The lists below are touched with the group's lock held.

// link puts a connection among the idle, as the newest.
func (p *Pool[C]) link(it *Item[C]) {
	same := p.idle[it.key]
	if n := len(p.spareIdle); same == nil && n > 0 {
		same, p.spareIdle = p.spareIdle[n-1], p.spareIdle[:n-1]
	}
	p.idle[it.key] = append(same, it)
	p.idles++
	it.prev, it.next = p.newest, nil
	if p.newest != nil {
		p.newest.next = it
	} else {
		p.oldest = it
	}
	p.newest = it
}

// unlink takes a connection from among the idle.
func (p *Pool[C]) unlink(it *Item[C]) {
	same := p.idle[it.key]
	i := slices.Index(same, it)
	if same = slices.Delete(same, i, i+1); len(same) == 0 {
		delete(p.idle, it.key)
		p.spareIdle = append(p.spareIdle, same)
	} else {
		p.idle[it.key] = same
	}
	p.idles--
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		p.oldest = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		p.newest = it.prev
	}
	it.prev, it.next = nil, nil
}

// end takes an idle connection out of the pool; the caller closes it once the
// lock is free.
func (p *Pool[C]) end(it *Item[C]) *Item[C] {
	p.unlink(it)
	return p.retire(it)
}

// retire takes a connection that is not idle out of the pool; the caller closes
// it once the lock is free. Until then it has its place in the budget.
func (p *Pool[C]) retire(it *Item[C]) *Item[C] {
	p.total--
	p.closing++
	return it
}

func (p *Pool[C]) share(key int64) *share[C] {
	own := p.keys[key]
	if own == nil {
		if n := len(p.spare); n > 0 {
			own, p.spare = p.spare[n-1], p.spare[:n-1]
		} else {
			own = &share[C]{}
		}
		p.keys[key] = own
	}
	return own
}

// leave ends one use of key, and lines up the next caller that was over its
// cap. That one keeps its place in the order of arrival.
func (p *Pool[C]) leave(key int64) {
	own := p.keys[key]
	own.inUse--
	if len(own.waiting) > 0 {
		w := own.waiting[0]
		own.waiting = slices.Delete(own.waiting, 0, 1)
		own.inUse++
		at, _ := slices.BinarySearchFunc(p.group.line, w.seq, func(x *waiter[C], seq uint64) int {
			return int(int64(x.seq) - int64(seq)) //nolint:gosec // G115: a difference of counters
		})
		p.group.line = slices.Insert(p.group.line, at, w)
	}
	p.forget(key)
}

// forget drops the share of a key that nobody uses.
func (p *Pool[C]) forget(key int64) {
	if own := p.keys[key]; own != nil && own.inUse == 0 && len(own.waiting) == 0 {
		delete(p.keys, key)
		own.dropped = 0
		p.spare = append(p.spare, own)
	}
}
