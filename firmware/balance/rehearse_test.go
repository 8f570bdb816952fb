package balance

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
)

func TestRehearsalIsWhatThenHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := drawWeights(t, 3)
		k := newKernel(healthyGroup(weights...))
		all := rapid.IntRange(0, 60).Draw(t, "MFDs")
		for i := range all {
			k.connect(mfd(i))
			k.deliver(len(k.events))
			k.program()
		}
		k.now = k.now.Add(settling + time.Second)
		k.program()
		id := NodeID(rapid.IntRange(1, len(weights)).Draw(t, "node"))
		r, err := k.g.Rehearse(id)
		if err != nil {
			t.Fatal(err)
		}
		before := bound(k.g)
		k.g.SetHealthy(id, false, k.now)
		k.program()
		for i := range all {
			if k.clients[mfd(i)].node == id {
				k.connect(mfd(i))
				k.deliver(len(k.events))
				k.program()
			}
		}
		// Ties may fall the other way.
		for i, n := range bound(k.g) {
			if d := r.Holds[NodeID(i+1)] - n; d < -1 || d > 1 {
				t.Fatalf("rehearsed %+v; before %v, then %v", r, before, bound(k.g))
			}
		}
		if r.Moves != before[id-1] || !r.Serves || len(r.Holds) != len(weights)-1 {
			t.Fatalf("rehearsed %+v; before %v", r, before)
		}
	})
}

func TestRehearsalOfTheLastNodeSaysThatNobodyIsLeft(t *testing.T) {
	g := healthyGroup(1, 1)
	g.Opened(mfd(0), 1, false, start)
	g.Opened(mfd(1), 2, false, start)
	if err := g.Drain(2, api.DrainGently, false, start); err != nil {
		t.Fatal(err)
	}
	r, err := g.Rehearse(1)
	if err != nil || r.Serves || r.Moves != 1 || r.Cut != 1 || r.Holds[2] != 1 {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := g.Rehearse(9); !errors.Is(err, ErrUnknownNode) {
		t.Errorf("a node that is not there: %v", err)
	}
}
