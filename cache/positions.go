package cache

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// positions calls visit with the position of every key, or channel, that the
// specification finds. It fails where the arguments are not what it says, or
// could be read in two ways.
func (k *keySpec) positions(args []any, visit func(at int) error) error {
	begin, err := k.start(args)
	if err != nil || begin == 0 {
		return err
	}
	last, step := begin+k.last, max(1, k.step)
	switch {
	case k.counted:
		if begin, last, err = k.count(args, begin, step); err != nil {
			return err
		}
	case k.last < 0:
		last = len(args) + k.last
		if k.limit > 1 { // a part of the rest, such as keys and then as many IDs
			rest := last - begin + 1
			if rest%k.limit != 0 {
				return fmt.Errorf("%d arguments are not %d to each key", rest, k.limit)
			}
			last = begin + rest/k.limit - 1
		}
	}
	if last >= len(args) || last < begin && !k.counted {
		return fmt.Errorf("%d arguments are too few", len(args))
	}
	for at := begin; at <= last; at += step {
		if err := visit(at); err != nil {
			return err
		}
	}
	return nil
}

// start returns where the search begins, 0 when there is no such keyword.
func (k *keySpec) start(args []any) (int, error) {
	if k.keyword == "" {
		return k.begin, nil
	}
	found := 0
	for at := k.begin; at < len(args); at++ {
		s, ok := text(args[at])
		if !ok && !plain(args[at]) {
			return 0, fmt.Errorf("argument %d is a %T, which may be %s", at, args[at], k.keyword)
		}
		if !strings.EqualFold(s, k.keyword) {
			continue
		}
		if found > 0 {
			// Redis goes by the last one, its own specification by the first.
			return 0, fmt.Errorf("%s is said twice", k.keyword)
		}
		found = at + 1
		if k.last < 0 {
			break // what comes then is keys, whatever they are called
		}
	}
	return found, nil
}

// count reads how many keys there are, and returns the first and the last.
func (k *keySpec) count(args []any, begin, step int) (first, last int, err error) {
	at := begin + k.number
	if at >= len(args) {
		return 0, 0, fmt.Errorf("%d arguments are too few", len(args))
	}
	n, err := natural(args[at])
	if err != nil {
		return 0, 0, err
	}
	if n > len(args) {
		return 0, 0, fmt.Errorf("%d keys are more than there are arguments", n)
	}
	first = begin + k.first
	return first, first + (n-1)*step, nil
}

// plain reports whether go-redis writes an argument that is no text in a way that
// cannot be a word. What marshals itself, and net.IP, may be any.
func plain(arg any) bool {
	switch arg.(type) {
	case nil, bool, float32, float64, time.Time, time.Duration:
		return true
	}
	_, ok := number(arg)
	return ok
}

// natural reads a number of keys. It takes only what Redis reads the same.
func natural(arg any) (int, error) {
	if n, ok := arg.(int); ok && n >= 0 {
		return n, nil
	}
	s, ok := text(arg)
	if !ok {
		s, _ = number(arg)
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%.20q is no number of keys", s)
	}
	return n, nil
}
