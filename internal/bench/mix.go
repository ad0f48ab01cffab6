package main

import (
	"math/rand/v2"
	"slices"
)

// draw says whose turn it is: an index of the tenants.
type draw func(*rand.Rand) int

// alone is always the first.
func alone(*rand.Rand) int { return 0 }

// uniform gives each of so many the same share.
func uniform(many int) draw {
	return func(r *rand.Rand) int { return r.IntN(many) }
}

// zipf gives the k-th of so many a share of 1/k: Zipf with an exponent of 1. (That
// of math/rand wants more than 1.)
func zipf(many int) draw {
	upTo := make([]float64, many) // the shares up to each, and with it
	sum := 0.0
	for k := range upTo {
		sum += 1 / float64(k+1)
		upTo[k] = sum
	}
	return func(r *rand.Rand) int {
		k, _ := slices.BinarySearch(upTo, r.Float64()*sum)
		return min(k, many-1)
	}
}

// turns draws whose turn it is for so many clients, so many times each.
func (d draw) turns(r *rand.Rand, clients, each int) [][]int {
	all := make([][]int, clients)
	for c := range all {
		all[c] = make([]int, each)
		for i := range all[c] {
			all[c][i] = d(r)
		}
	}
	return all
}
