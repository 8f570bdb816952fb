package winservice

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/windows"
)

// watched starts a schedule on the box.
func (b *bench) watched(s *Schedule) <-chan []api.WindowsAnswer {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	answers := make(chan []api.WindowsAnswer, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, func(_ netip.Addr, a []api.WindowsAnswer) { answers <- a })
	}()
	b.Cleanup(func() { cancel(); <-done })
	return answers
}

func (b *bench) target(a Account, names ...string) Target {
	return Target{Node: nodeIP, Account: a, Names: names, Interval: 200 * time.Millisecond, Timeout: 150 * time.Millisecond}
}

func (b *bench) next(answers <-chan []api.WindowsAnswer) []api.WindowsAnswer {
	b.Helper()
	select {
	case a := <-answers:
		return a
	case <-time.After(20 * time.Second):
		b.Fatal("nothing was asked")
		return nil
	}
}

func (b *bench) awaitState(answers <-chan []api.WindowsAnswer, want api.WindowsState) {
	b.Helper()
	for range 200 {
		if got := b.next(answers); got[0].State == want {
			return
		}
	}
	b.Fatalf("never %s", want)
}

func TestScheduleFollowsAServerThroughItsRestart(t *testing.T) {
	b := newBench(t)
	b.serve()
	s := NewSchedule(b.way())
	target := b.target(right, windows.Spooler, windows.Idle)
	target.Interval, target.Timeout = time.Second, 900*time.Millisecond
	s.Set([]Target{target})
	answers := b.watched(s)
	b.awaitState(answers, api.WindowsRunning)
	b.Must(b.server.SetSpooler(false))
	b.awaitState(answers, api.WindowsStopped)
	b.Must(b.server.Stop())
	b.awaitState(answers, api.WindowsRefused)
	b.Must(b.server.Run())
	s.Now(nodeIP)
	b.awaitState(answers, api.WindowsRunning)
	target.Names = []string{windows.Idle}
	s.Set([]Target{target})
	b.awaitState(answers, api.WindowsStopped)
	s.Set(nil)
	for len(answers) > 0 {
		<-answers
	}
}

func TestWrongPasswordIsTriedOnceForAllNodesOfADomain(t *testing.T) {
	var g gates
	account := Account{`SITE\spoolgate`, "guess"}
	var tries atomic.Int32
	wrong := &Failure{State: api.WindowsWrongPassword}
	results := make(chan error)
	for n := range 20 {
		node := netip.AddrFrom4([4]byte{198, 18, 0, byte(n)})
		go func() {
			results <- g.of(account, node).pass(context.Background(), node, func() error { tries.Add(1); return wrong })
		}()
	}
	for range 20 {
		var f *Failure
		if err := <-results; !errors.As(err, &f) || f.State != api.WindowsWrongPassword {
			t.Errorf("%v", err)
		}
	}
	if n := tries.Load(); n != 1 {
		t.Errorf("tried %d times: enough to lock the account out", n)
	}
	g.forgive()
	if err := g.of(account, nodeIP).pass(context.Background(), nodeIP, func() error { tries.Add(1); return wrong }); err == nil || tries.Load() != 2 {
		t.Errorf("not tried again after the configuration was applied: %v", err)
	}
	// The right password is another one.
	corrected := Account{account.User, "right"}
	for n := range 3 {
		node := netip.AddrFrom4([4]byte{198, 18, 0, byte(n)})
		if err := g.of(corrected, node).pass(context.Background(), node, func() error { return nil }); err != nil {
			t.Error(err)
		}
	}
}

// One server that has lost its domain takes nobody's word for a wrong password.
func TestServerThatTookThePasswordIsNotHeldBackByAnother(t *testing.T) {
	var g gates
	account := Account{`SITE\spoolgate`, "x"}
	wrong := &Failure{State: api.WindowsWrongPassword}
	login := func(node netip.Addr, answer error) (tried bool, err error) {
		err = g.of(account, node).pass(context.Background(), node, func() error { tried = true; return answer })
		return tried, err
	}
	if tried, err := login(nodeIP, nil); !tried || err != nil {
		t.Fatal(tried, err)
	}
	if tried, err := login(boxIP, wrong); !tried || err == nil {
		t.Fatal(tried, err)
	}
	if tried, err := login(nodeIP, nil); !tried || err != nil {
		t.Errorf("the server that takes the password: tried %v, %v", tried, err)
	}
	login(boxIP, wrong)
	third := netip.MustParseAddr("198.18.0.3")
	if tried, err := login(third, nil); tried || err == nil {
		t.Errorf("a server that has not taken it yet: tried %v, %v", tried, err)
	}
	// It does not take it any more itself.
	login(nodeIP, wrong)
	if tried, err := login(nodeIP, nil); tried || err == nil {
		t.Errorf("after its own refusal: tried %v, %v", tried, err)
	}
}

func TestUserOfTheServerItselfIsTriedOnEachServer(t *testing.T) {
	var g gates
	for n := range 3 {
		node, tried := netip.AddrFrom4([4]byte{198, 18, 0, byte(n)}), false
		_ = g.of(right, node).pass(context.Background(), node, func() error { tried = true; return &Failure{State: api.WindowsWrongPassword} })
		if !tried {
			t.Errorf("not tried on %s", node)
		}
	}
}

func TestSilentServerHoldsBackTheLoginsOfOthersForNoLongerThanTheirOwnTime(t *testing.T) {
	var g gates
	account := Account{`SITE\spoolgate`, "x"}
	busy, end := make(chan struct{}), make(chan struct{})
	go func() {
		_ = g.of(account, nodeIP).pass(context.Background(), nodeIP, func() error { close(busy); <-end; return nil })
	}()
	<-busy
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	var f *Failure
	if err := g.of(account, boxIP).pass(ctx, boxIP, func() error { return nil }); !errors.As(err, &f) || f.State != api.WindowsTimedOut {
		t.Error(err)
	}
	close(end)
}

func TestPauseGrowsWithFailuresAndSparesTheAccount(t *testing.T) {
	timedOut, wrong, denied := &Failure{State: api.WindowsTimedOut}, &Failure{State: api.WindowsWrongPassword}, &Failure{State: api.WindowsAccessDenied}
	for _, tt := range []struct {
		err      error
		failures int
		want     time.Duration
	}{
		{nil, 0, 5 * time.Second}, {timedOut, 1, 5 * time.Second}, {timedOut, 3, 5 * time.Second}, {timedOut, 4, 10 * time.Second},
		{timedOut, 5, 20 * time.Second}, {timedOut, 6, 30 * time.Second}, {timedOut, 1 << 40, 30 * time.Second},
		{wrong, 1, 30 * time.Minute}, {denied, 1, time.Minute},
	} {
		if got := pause(5*time.Second, tt.err, tt.failures); got != tt.want {
			t.Errorf("%v, failure %d: %v, want %v", tt.err, tt.failures, got, tt.want)
		}
	}
	if got := pause(time.Minute, timedOut, 10); got != time.Minute {
		t.Errorf("shorter than the interval: %v", got)
	}
}
