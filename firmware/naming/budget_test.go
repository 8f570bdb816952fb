package naming

import (
	"net/netip"
	"testing"
	"time"
)

var morning = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func TestOneAskerGetsOnlySoMuch(t *testing.T) {
	b, now := newBudgets(), morning
	count := func(who netip.Addr, n int) (got int) {
		for range n {
			if b.take(who, now) {
				got++
			}
		}
		return got
	}
	if got := count(asker, 1000); got != burst {
		t.Errorf("at once it got %d", got)
	}
	if got := count(ofSite, 10); got != 10 {
		t.Errorf("another one got %d", got)
	}
	now = now.Add(time.Second)
	if got := count(asker, 1000); got != asked {
		t.Errorf("a second later it got %d", got)
	}
	now = now.Add(-time.Hour)
	if got := count(asker, 10); got != 0 {
		t.Errorf("a clock that was set back gave it %d", got)
	}
}

// A stranger who asks in the name of ever new others takes no memory, gives nobody a
// new budget, and leaves those who are known theirs.
func TestForgedAskersNeitherFillTheMemoryNorRenewABudget(t *testing.T) {
	b, now := newBudgets(), morning
	for b.take(asker, now) {
	}
	answered := 0
	for i := range 20 * askers {
		now = now.Add(time.Microsecond)
		for range 3 {
			if b.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now) {
				answered++
			}
		}
		if len(b.by) > askers {
			t.Fatalf("%d askers are remembered", len(b.by))
		}
	}
	if most := 3*2*askers + burst + asked; answered > most {
		t.Errorf("%d forged questions were answered within 82 ms, at most %d should", answered, most)
	}
	// 82 ms earn four questions.
	got := 0
	for b.take(asker, now) {
		got++
	}
	if got > 5 {
		t.Errorf("who had used up its budget got %d questions", got)
	}
	if !b.take(asker, now.Add(time.Second)) {
		t.Error("who is known gets nothing any more")
	}
}
