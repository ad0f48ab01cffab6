package storage_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/partywall/partywall/storage"
	"github.com/partywall/partywall/storage/s3bucket"
	"github.com/partywall/partywall/storage/storagetest"
)

// TestAttacks plays each attack twice: against a host as one writes it at first,
// where it has to get through, and against the wall, where it must not.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for _, a := range storagetest.Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			if breach := play(t, a, naive); breach == "" {
				t.Error("control: it does not get through anywhere, and so proves nothing")
			}
			if breach := play(t, a, walled("")); breach != "" {
				t.Errorf("it got through: %s", breach)
			}
		})
	}
}

// TestWalls tears down one part of the wall after another and wants an attack to
// get through: a suite that stays green would not see that part missing.
func TestWalls(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(storage.Walls())) {
		if _, ok := probes()[name]; ok {
			continue // its own probe looks
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, a := range storagetest.Attacks() {
				if breach := play(t, a, walled(name)); breach != "" {
					t.Logf("%s: %s", a.Name, breach)
					return
				}
			}
			t.Error("no attack gets through without it")
		})
	}
}

// setup makes a host over the house's shared bucket.
type setup func(t *testing.T, h *storagetest.House) storagetest.Host

func naive(t *testing.T, h *storagetest.House) storagetest.Host {
	t.Helper()
	b, err := h.Account.Open(t.Context(), storagetest.SharedBucket)
	must(t, err)
	t.Cleanup(func() { _ = b.Close() })
	return storagetest.Naive{Bucket: b}
}

// walled is the wall without the part named; "" is whole.
func walled(without string) setup {
	return func(t *testing.T, h *storagetest.House) storagetest.Host {
		t.Helper()
		b, err := storage.New(h.Catalog, storage.Stores{
			"main":    {Account: h.Account, Shared: storagetest.SharedBucket, Region: "earth"},
			"nowhere": {Account: h.Account, Shared: storagetest.SharedBucket},
		}, nil)
		must(t, err)
		t.Cleanup(func() { must(t, b.Close()) })
		if without != "" {
			storage.Walls()[without](b)
		}
		return storagetest.Walled{Buckets: b}
	}
}

// play plays an attack on a new scene of its own.
func play(t *testing.T, a storagetest.Attack, build setup) string {
	t.Helper()
	h := storagetest.NewHouse(t, s3bucket.New(client(fake(t)), nil))
	s, err := storagetest.NewScene(t.Context(), build(t, h), h)
	must(t, err)
	s.Redirect = func(as func(any) bool, name string) bool {
		var in *s3.GetObjectInput
		shown := as(&in)
		if in != nil {
			in.Key = &name
		}
		return shown
	}
	return a.Play(t.Context(), s)
}
