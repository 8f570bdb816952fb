package winservice

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"spoolgate/firmware/api"
)

// Target is a server to ask.
type Target struct {
	Node     netip.Addr
	Account  Account
	Names    []string      // of services
	Interval time.Duration // above 0
	Timeout  time.Duration // of one question, below Interval
}

func (t Target) equal(o Target) bool {
	return t.Node == o.Node && t.Account == o.Account && t.Interval == o.Interval && t.Timeout == o.Timeout && slices.Equal(t.Names, o.Names)
}

// Schedule asks servers, each once an interval over a session of its own.
type Schedule struct {
	way   Way
	gates gates

	mu   sync.Mutex
	want map[netip.Addr]Target
	now  map[netip.Addr]bool
	wake chan struct{}
}

// NewSchedule asks nobody yet.
func NewSchedule(way Way) *Schedule {
	return &Schedule{way: way, want: map[netip.Addr]Target{}, now: map[netip.Addr]bool{}, wake: make(chan struct{}, 1)}
}

// Set replaces the targets, also while Run runs. Those that stay keep their session.
// All are asked at once, with a password that was wrong before, too: whoever sets
// the targets may have put it right on the other side.
func (s *Schedule) Set(targets []Target) {
	want := map[netip.Addr]Target{}
	s.mu.Lock()
	for _, t := range targets {
		want[t.Node] = t
		s.now[t.Node] = true
	}
	s.want = want
	s.mu.Unlock()
	s.gates.forgive()
	s.rouse()
}

// Again is Now for a person who has put something right: a password that was wrong
// is tried once more, too.
func (s *Schedule) Again(node netip.Addr) {
	s.gates.forgive()
	s.Now(node)
}

// Now asks a server at once, beside its turn. A password that was wrong waits for
// its time all the same.
func (s *Schedule) Now(node netip.Addr) {
	s.mu.Lock()
	s.now[node] = true
	s.mu.Unlock()
	s.rouse()
}

func (s *Schedule) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// List asks a server for the services that it has, over a session of its own.
func (s *Schedule) List(ctx context.Context, t Target) ([]api.FoundService, error) {
	session := s.session(t)
	defer session.Close()
	return session.List(ctx)
}

func (s *Schedule) session(t Target) *Session {
	session := NewSession(s.way, t.Node, t.Account)
	session.gate = s.gates.of(t.Account, t.Node)
	return session
}

// Run asks until ctx ends and calls deliver for the answers of each server, never
// two at a time; it waits while deliver works. A server that does not answer gives
// each of its services the reason. Answers of targets that were taken out meanwhile
// are not delivered. It returns when nobody is asked any more.
func (s *Schedule) Run(ctx context.Context, deliver func(netip.Addr, []api.WindowsAnswer)) {
	turns := map[netip.Addr]*turn{}
	answers := make(chan answered)
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			s.adopt(ctx, turns, answers, &running)
		case a := <-answers:
			if turns[a.turn.target.Node] == a.turn {
				deliver(a.turn.target.Node, a.answers)
			}
		}
	}
}

type answered struct {
	turn    *turn
	answers []api.WindowsAnswer
}

// turn is one server while it is asked.
type turn struct {
	target Target
	end    context.CancelFunc
	now    chan struct{}
}

// adopt takes over what Set and Now asked for.
func (s *Schedule) adopt(ctx context.Context, turns map[netip.Addr]*turn, answers chan<- answered, running *sync.WaitGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for node, t := range turns {
		if want, ok := s.want[node]; !ok || !want.equal(t.target) {
			t.end()
			delete(turns, node)
		}
	}
	for node, target := range s.want {
		t := turns[node]
		if t == nil {
			own, end := context.WithCancel(ctx)
			t = &turn{target: target, end: end, now: make(chan struct{}, 1)}
			turns[node] = t
			running.Go(func() { s.ask(own, t, answers) })
		}
		if s.now[node] {
			select {
			case t.now <- struct{}{}:
			default:
			}
		}
	}
	clear(s.now)
}

// ask asks one server until ctx ends.
func (s *Schedule) ask(ctx context.Context, t *turn, answers chan<- answered) {
	session := s.session(t.target)
	defer session.Close()
	wait := time.NewTimer(rand.N(firstSpread))
	defer wait.Stop()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		case <-t.now:
		}
		begin := time.Now()
		got, err := t.question(ctx, session)
		if ctx.Err() != nil {
			return
		}
		failures++
		if err == nil {
			failures = 0
		}
		select {
		case answers <- answered{t, got}:
		case <-ctx.Done():
			return
		}
		pause := pause(t.target.Interval, err, failures)
		wait.Reset(max(pause-time.Since(begin), 0) + rand.N(pause/10+1))
	}
}

// firstSpread is the jitter of the first question: short, as nothing serves before it.
const firstSpread = 50 * time.Millisecond

func (t *turn) question(ctx context.Context, session *Session) ([]api.WindowsAnswer, error) {
	limited, cancel := context.WithTimeout(ctx, t.target.Timeout)
	defer cancel()
	got, err := session.Query(limited, t.target.Names)
	if err == nil {
		return got, nil
	}
	f := &Failure{State: api.WindowsProtocolError, Detail: err.Error()}
	errors.As(err, &f)
	for _, name := range t.target.Names {
		got = append(got, api.WindowsAnswer{Name: name, State: f.State, Detail: f.Detail})
	}
	return got, err
}

// A server that does not answer is asked at the usual interval until it has been
// judged by its misses, and then less and less often. What a person has to put right
// is looked at now and then.
const (
	patientFor   = 3
	longestPause = 30 * time.Second
	pauseTrouble = time.Minute
)

// pause is the time from one question to the next, after so many failures in a row.
func pause(interval time.Duration, err error, failures int) time.Duration {
	var f *Failure
	switch {
	case errors.As(err, &f) && f.State == api.WindowsWrongPassword:
		return max(interval, lockout)
	case f != nil && (f.State == api.WindowsAccessDenied || f.State == api.WindowsInsecure):
		return max(interval, pauseTrouble)
	}
	long := interval
	for range max(failures-patientFor, 0) {
		if long >= longestPause {
			break
		}
		long = min(2*long, longestPause)
	}
	return long
}
