package report

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/reach"
)

// listener is a sender that remembers what it sent, and does what it is told.
type listener struct {
	target string // "a test" when empty
	mu     sync.Mutex
	got    []uint64
	tries  int
	do     func() error // before it is sent; nil: nothing
}

func (r *listener) Target() string { return cmp.Or(r.target, "a test") }

func (r *listener) Confirms() bool { return true }

func (r *listener) Send(_ context.Context, m letter.Message, _ reach.Note) error {
	r.mu.Lock()
	r.tries++
	do := r.do
	r.mu.Unlock()
	if do != nil {
		if err := do(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, m.Event.Seq)
	return nil
}

func (r *listener) set(do func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.do = do
}

func (r *listener) all() ([]uint64, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got), r.tries
}

// realClock is the bubble's own in a test with synctest.
func realClock() Clock { return Clock{Now: time.Now, After: time.After} }

// begin runs a courier until stop is called. It begins before whatever the journal has.
func begin(t *testing.T, name string, s Sender, j *journal, store Store) (c *courier, stop func()) {
	t.Helper()
	if _, err := os.Stat(store.path(name)); err != nil {
		if err := store.Save(name, Cursor{Newest: start}); err != nil {
			t.Fatal(err)
		}
	}
	c = newCourier(name, "spoolgate", s, wish{"notice", true}, store, realClock(), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.run(ctx, j.follow) })
	return c, func() { cancel(); running.Wait() }
}

func down() error { return &api.Failure{Stage: api.StageConnect, What: "nobody listens"} }

func TestReporterThatIsDownForTwoHoursDelaysNoOtherAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, store := newJournal(), NewStore(t.TempDir())
		mail, log := &listener{do: down}, &listener{}
		m, stopMail := begin(t, "mail", mail, j, store)
		_, stopLog := begin(t, "syslog", log, j, store)
		for n := uint64(1); n <= 120; n++ {
			j.add(happened(n, "alert"))
			synctest.Wait()
			if got, _ := log.all(); len(got) != int(n) {
				t.Fatalf("syslog has %d of %d reports", len(got), n)
			}
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		got, tries := mail.all()
		if s, _ := m.state.Latest(); len(got) > 0 || tries > 25 || s.Waiting != 120 || s.Trouble == nil || s.NextTry.Before(time.Now()) {
			t.Errorf("after two hours: sent %v in %d tries, %+v", got, tries, s)
		}
		mail.set(nil)
		time.Sleep(maxDelay)
		synctest.Wait()
		if got, _ := mail.all(); len(got) != 120 || !slices.IsSorted(got) {
			t.Errorf("afterwards mail has %v", got)
		}
		stopMail()
		stopLog()
	})
}

func TestReporterGoesOnAfterARestartWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, store, r := newJournal(), NewStore(t.TempDir()), &listener{}
		for n := range uint64(6) {
			j.add(happened(2*n+1, "alert"), happened(2*n+2, "alert"))
			_, stop := begin(t, "mail", r, j, store)
			synctest.Wait()
			stop()
		}
		if got, _ := r.all(); !slices.Equal(got, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestReporterKnowsAfterARestartWhenItLastSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, store := newJournal(), NewStore(t.TempDir())
		j.add(happened(1, "alert"))
		_, stop := begin(t, "mail", &listener{}, j, store)
		synctest.Wait()
		sent := time.Now()
		time.Sleep(time.Hour)
		stop()
		c, stop := begin(t, "mail", &listener{}, j, store)
		if s, _ := c.state.Latest(); !s.DeliveredAt.Equal(sent) {
			t.Errorf("last sent at %v, want %v", s.DeliveredAt, sent)
		}
		stop()
	})
}

func TestWhatAnotherReceiverGotIsNotShownOfTheOneOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, store := newJournal(), NewStore(t.TempDir())
		j.add(happened(1, "alert"))
		_, stop := begin(t, "syslog", &listener{}, j, store)
		synctest.Wait()
		sent := time.Now()
		stop()
		for target, want := range map[string]time.Time{"another": {}, "": sent} {
			c, stop := begin(t, "syslog", &listener{target: target}, j, store)
			synctest.Wait()
			if s, _ := c.state.Latest(); !s.DeliveredAt.Equal(want) {
				t.Errorf("%q got something at %v, want %v", s.Target, s.DeliveredAt, want)
			}
			stop()
		}
	})
}

func TestReporterReadsAheadOnlySoFarAndLosesNothingByIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, r := newJournal(), &listener{do: down}
		c, stop := begin(t, "mail", r, j, NewStore(t.TempDir()))
		for n := range uint64(5 * window) {
			j.add(happened(n+1, "alert"))
		}
		synctest.Wait()
		if s, _ := c.state.Latest(); s.Waiting != window {
			t.Errorf("%d are held in memory", s.Waiting)
		}
		r.set(nil)
		time.Sleep(maxDelay)
		synctest.Wait()
		if got, _ := r.all(); len(got) != 5*window || !slices.IsSorted(got) {
			t.Errorf("%d arrived", len(got))
		}
		stop()
	})
}

func TestPanicOfOneReporterIsToldAndStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, store := newJournal(), NewStore(t.TempDir())
		mad, sane := &listener{do: func() error { panic("a bad certificate") }}, &listener{}
		m, stopMad := begin(t, "webhook", mad, j, store)
		_, stopSane := begin(t, "mail", sane, j, store)
		j.add(happened(1, "alert"), happened(2, "alert"))
		synctest.Wait()
		if got, _ := sane.all(); len(got) != 2 {
			t.Errorf("the other has sent %v", got)
		}
		if s, _ := m.state.Latest(); s.Trouble == nil || !strings.Contains(s.Trouble.What, "the program failed: a bad certificate") {
			t.Errorf("told as %+v", s)
		}
		mad.set(nil)
		time.Sleep(maxDelay)
		synctest.Wait()
		if got, _ := mad.all(); !slices.Equal(got, []uint64{1, 2}) {
			t.Errorf("afterwards it sends %v", got)
		}
		stopMad()
		stopSane()
	})
}

// faulty is a sender whose fault is not in sending.
type faulty struct {
	listener
	calls int
}

func (f *faulty) Target() string {
	if f.calls++; f.calls > 1 {
		panic("no target")
	}
	return "a test"
}

func TestFaultOfAReporterItselfIsToldAndStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, store := newJournal(), NewStore(t.TempDir())
		mad, sane := &faulty{}, &listener{}
		m, stopMad := begin(t, "webhook", mad, j, store)
		_, stopSane := begin(t, "mail", sane, j, store)
		j.add(happened(1, "alert"), happened(2, "alert"))
		synctest.Wait()
		if got, _ := sane.all(); len(got) != 2 {
			t.Errorf("the other has sent %v", got)
		}
		if s, _ := m.state.Latest(); s.Trouble == nil || s.Trouble.What != "the program failed: no target" {
			t.Errorf("told as %+v", s)
		}
		stopMad()
		stopSane()
	})
}

func TestCursorIsWrittenSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, store, r := newJournal(), NewStore(t.TempDir()), &listener{}
		_, stop := begin(t, "mail", r, j, store)
		writes, last := 0, uint64(0)
		for n := range uint64(600) { // one a second for ten minutes
			j.add(happened(n+1, "alert"))
			time.Sleep(time.Second)
			synctest.Wait()
			c, err := store.Load("mail", start)
			if err != nil {
				t.Fatal(err)
			}
			if c.Seq != last {
				writes, last = writes+1, c.Seq
			}
			if behind := n + 1 - c.Seq; behind > 11 {
				t.Fatalf("%d deliveries would be forgotten by a power cut", behind)
			}
		}
		if writes > 61 {
			t.Errorf("%d writes in ten minutes", writes)
		}
		// What only passes by costs even less.
		for n := range uint64(300) {
			j.add(happened(601+n, "info"))
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if c, _ := store.Load("mail", start); c.Seq != last {
				writes, last = writes+1, c.Seq
			}
		}
		if writes > 62 {
			t.Errorf("%d writes with 50 minutes of trifles", writes)
		}
		stop()
		if c, _ := store.Load("mail", start); c.Seq != 900 {
			t.Errorf("at the end the cursor is at %d", c.Seq)
		}
	})
}

func TestMessageUnderWayAtTheEndIsNotSentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, store := newJournal(), NewStore(t.TempDir())
		slow := &listener{do: func() error { time.Sleep(2 * time.Second); return nil }}
		_, stop := begin(t, "mail", slow, j, store)
		j.add(happened(1, "alert"))
		synctest.Wait()
		stop()
		_, stop = begin(t, "mail", slow, j, store)
		time.Sleep(time.Minute)
		stop()
		if got, _ := slow.all(); !slices.Equal(got, []uint64{1}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestErrorOfNoKnownStageIsTriedAgain(t *testing.T) {
	if f := failureOf(errors.New("odd")); f.Stage != api.StageMessage || f.Lasting || f.What != "odd" || f.Do == "" {
		t.Errorf("%+v", f)
	}
}
