package health

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"spoolgate/firmware/api"
)

// log notes when which target was probed, in the fake time of synctest.
type log struct {
	mu    sync.Mutex
	times map[netip.AddrPort][]time.Time
	most  int
	busy  int
	took  time.Duration
}

func (l *log) probe(ctx context.Context, a netip.AddrPort) api.Probe {
	l.mu.Lock()
	l.times[a] = append(l.times[a], time.Now())
	l.busy++
	l.most = max(l.most, l.busy)
	l.mu.Unlock()
	select {
	case <-time.After(l.took):
	case <-ctx.Done():
	}
	l.mu.Lock()
	l.busy--
	l.mu.Unlock()
	return api.Probe{Outcome: api.Open}
}

func targets(n int, interval time.Duration) (ts []Target) {
	for i := range n {
		a := netip.MustParseAddrPort(fmt.Sprintf("198.18.%d.%d:5022", i/250, i%250+1))
		ts = append(ts, Target{a, interval, interval / 2})
	}
	return ts
}

// during runs a schedule in fake time for d.
func during(t *testing.T, l *log, limit int, d time.Duration, act func(*Schedule)) (delivered map[netip.AddrPort]int) {
	l.times = map[netip.AddrPort][]time.Time{}
	delivered = map[netip.AddrPort]int{}
	synctest.Test(t, func(t *testing.T) {
		s := NewSchedule(l.probe, limit)
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		go act(s)
		s.Run(ctx, func(t Target, _ api.Probe) { delivered[t.Address]++ })
	})
	return delivered
}

func TestEveryTargetIsProbedOnceAnIntervalWithJitter(t *testing.T) {
	l := &log{took: time.Millisecond}
	ts := targets(100, 5*time.Second)
	delivered := during(t, l, 1000, 60*time.Second, func(s *Schedule) { s.Set(ts) })
	same, moments := 0, map[time.Time]int{}
	for _, target := range ts {
		at := l.times[target.Address]
		if len(at) != 12 || delivered[target.Address] != 12 {
			t.Fatalf("%v: %d probes, %d results in 60 s, want 12", target.Address, len(at), delivered[target.Address])
		}
		for i := 2; i < len(at); i++ {
			gap := at[i].Sub(at[i-1])
			if gap < 4500*time.Millisecond || gap > 5500*time.Millisecond {
				t.Errorf("%v: %v between two probes", target.Address, gap)
			}
			if gap == 5*time.Second {
				same++
			}
		}
		moments[at[5].Truncate(time.Millisecond)]++
	}
	for at, n := range moments {
		if n > 10 {
			t.Errorf("%d of 100 nodes are probed in the millisecond %v", n, at)
		}
	}
	if same > 50 {
		t.Errorf("%d intervals without jitter", same)
	}
}

func TestNoMoreProbesAtATimeThanAllowed(t *testing.T) {
	// Even the last of a round, with its jitter, ends before the next one begins.
	l := &log{took: 800 * time.Millisecond}
	during(t, l, 7, 30*time.Second, func(s *Schedule) { s.Set(targets(30, 5*time.Second)) })
	if l.most != 7 {
		t.Errorf("%d probes at a time, want 7", l.most)
	}
	for a, at := range l.times {
		if len(at) < 5 {
			t.Errorf("%v starves: %d probes in 30 s", a, len(at))
		}
	}
}

func TestSilentTargetIsGivenUpAtItsTimeout(t *testing.T) {
	l := &log{took: time.Hour}
	ts := targets(2, 5*time.Second)
	delivered := during(t, l, 10, 13*time.Second, func(s *Schedule) { s.Set(ts) })
	for _, target := range ts {
		if n := delivered[target.Address]; n != 3 {
			t.Errorf("%d results of a silent target in 13 s, want 3", n)
		}
	}
}

func TestTargetsChangeWhileRunning(t *testing.T) {
	l := &log{took: time.Millisecond}
	ts := targets(3, 5*time.Second)
	during(t, l, 10, 60*time.Second, func(s *Schedule) {
		s.Set(ts[:2])
		time.Sleep(22 * time.Second)
		faster := ts[1]
		faster.Interval = time.Second
		s.Set([]Target{faster, ts[2]})
	})
	gone, faster, added := l.times[ts[0].Address], l.times[ts[1].Address], l.times[ts[2].Address]
	if len(gone) != 5 {
		t.Errorf("a removed target was probed %d times, want 5", len(gone))
	}
	if len(faster) < 40 || len(faster) > 45 {
		t.Errorf("a target of 1 s was probed %d times, want about 5 + 38", len(faster))
	}
	if len(added) == 0 || added[0].Sub(gone[0]) > 22*time.Second+firstSpread {
		t.Errorf("a new target is not probed at once")
	}
}

func TestNodeIsProbedAtOnceWhenAsked(t *testing.T) {
	l := &log{took: time.Millisecond}
	ts := targets(2, 5*time.Second)
	during(t, l, 10, 4*time.Second, func(s *Schedule) {
		s.Set(ts)
		time.Sleep(2 * time.Second)
		s.Now(ts[0].Address.Addr())
	})
	if a, b := len(l.times[ts[0].Address]), len(l.times[ts[1].Address]); a != 2 || b != 1 {
		t.Errorf("asked for one more probe of one node: %d and %d probes in the first round", a, b)
	}
}
