package dataplane

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A look is due while the rate may be spent, in the time that it is and once more, and as
// long as looks find something.
func TestALookIsDueWhileBeginningsMayBeUnsaid(t *testing.T) {
	var l looks
	at := time.Unix(1000, 0)
	if l.busy() {
		t.Error("busy before anybody has looked")
	}
	for _, step := range []struct {
		what           string
		after          time.Duration
		told           int
		due            bool
		took           time.Duration
		lasting, young int // that the look finds
	}{
		{what: "the first", due: true},
		{what: "nothing happens", after: lookEvery},
		{what: "a calm site", after: lookEvery, told: many - 1},
		{what: "a rush, but too early", after: lookEvery / 2, told: many},
		{what: "its first second, of which nothing has lasted", after: lookEvery / 2},
		{what: "its second, though it is over", after: lookEvery, due: true, lasting: 3},
		{what: "the last look found some", after: lookEvery, due: true, young: 5},
		{what: "the last look found some that were too young", after: 2 * lookEvery, due: true},
		{what: "less often while nothing lasts", after: 3 * lookEvery, told: many},
		{what: "the rush goes on", after: lookEvery, told: many},
		{what: "for long", after: lookEvery, told: many, due: true, young: 1},
		{what: "less often", after: 3 * lookEvery, told: many},
		{what: "up to a bound", after: lookEvery, due: true, lasting: 1},
		{what: "one that lasts makes it soon again", after: lookEvery, due: true, lasting: mostFound},
		{what: "and more than are taken at once at once", after: interval, due: true, took: 30 * time.Millisecond, lasting: 1},
		{what: "but a look that takes long not so soon", after: 2 * lookEvery},
		{what: "only a hundred times later", after: lookEvery, due: true, took: time.Second, lasting: 1},
		{what: "up to the same bound", after: lookSeldom, due: true, took: time.Second, lasting: mostFound},
		{what: "unless it has left some", after: interval, due: true},
		{what: "calm again", after: lookSeldom},
	} {
		at = at.Add(step.after)
		due := l.due(at, step.told)
		if due != step.due {
			t.Errorf("%s: due %v", step.what, due)
		}
		if due {
			l.found(at, step.took, step.lasting, step.young)
		}
		if l.busy() == l.calm() {
			t.Errorf("%s: busy %v", step.what, l.busy())
		}
		if patience := l.patience(at); patience >= 0 == l.calm() {
			t.Errorf("%s: a wait for events ends after %v", step.what, patience)
		}
	}
}

// A look takes some time, in which others begin: each of those would be told, and the next
// look be soon, as if they lasted.
func TestWhatBeginsDuringALookDoesNotLast(t *testing.T) {
	var s sight
	s.begin()
	c := connection{original: tuple{protocol: unix.IPPROTO_TCP}, mark: 1, status: statusSeenReply, state: tcpEstablished, began: time.Now()}
	if s.see(&c); s.young != 1 || len(s.lasting) != 0 {
		t.Errorf("one that has just begun: %d young, %d lasting", s.young, len(s.lasting))
	}
	for what, began := range map[string]time.Time{"lasts": time.Now().Add(-lookEvery / 2), "began before the clock was set back": time.Now().Add(time.Hour)} {
		s.begin()
		c.began = began
		if s.see(&c); s.young != 0 || len(s.lasting) != 1 {
			t.Errorf("one that %s: %d young, %d lasting", what, s.young, len(s.lasting))
		}
	}
}

func TestBeginningsAreThoseThatWereToldWhenTheyCame(t *testing.T) {
	events := []Event{{Kind: Opened}, {Kind: Opened, Unsaid: true}, {Kind: Bound}, {Kind: Closed}, {Kind: Unanswered}}
	if n := begun(events); n != 2 {
		t.Errorf("%d of these began, want the first and the third", n)
	}
}
