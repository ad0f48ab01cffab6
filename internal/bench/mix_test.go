package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestZipf holds the shares to 1/k of the first one's.
func TestZipf(t *testing.T) {
	t.Parallel()
	const many, draws = 1000, 1_000_000
	next, r := zipf(many), rand.New(rand.NewPCG(1, 2))
	seen := make([]int, many)
	for range draws {
		seen[next(r)]++
	}
	harmonic := 0.0
	for k := 1; k <= many; k++ {
		harmonic += 1 / float64(k)
	}
	for _, k := range []int{1, 2, 3, 10, 100, 1000} {
		want := draws / (float64(k) * harmonic)
		if got := float64(seen[k-1]); math.Abs(got-want) > 5*math.Sqrt(want) {
			t.Errorf("tenant %d was drawn %.0f times, want %.0f", k, got, want)
		}
	}
}

func TestDraws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for name, c := range map[string]struct {
		draw draw
		most int // how many of ten there are to be seen
	}{
		"alone":       {alone, 1},
		"uniform":     {uniform(10), 10},
		"zipf":        {zipf(10), 10},
		"zipf of one": {zipf(1), 1},
	} {
		seen := map[int]bool{}
		for _, turn := range slices.Concat(c.draw.turns(r, 4, 250)...) {
			seen[turn] = true
			if turn < 0 || turn >= c.most {
				t.Errorf("%s: drew %d of %d", name, turn, c.most)
			}
		}
		if len(seen) != c.most {
			t.Errorf("%s: drew %d different ones, want %d", name, len(seen), c.most)
		}
	}
}
