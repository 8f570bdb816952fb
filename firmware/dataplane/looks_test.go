package dataplane

import (
	"testing"
	"time"
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
		lasting, young int // that the look finds
	}{
		{what: "the first", due: true},
		{what: "nothing happens", after: lookEvery},
		{what: "a calm site", after: lookEvery, told: many - 1},
		{what: "busy, but too early", after: lookEvery / 2, told: many},
		{what: "busy", after: lookEvery / 2, due: true, lasting: 3},
		{what: "busy just before", after: lookEvery, due: true},
		{what: "calm", after: 2 * lookEvery},
		{what: "busy again", after: lookEvery, told: many, due: true, lasting: 1, young: 2},
		{what: "the last look found some", after: lookEvery, due: true, young: 5},
		{what: "short ones alone are looked at less often", after: lookEvery, told: many},
		{what: "and all the same", after: lookEvery, told: many, due: true, young: 5},
		{what: "less often", after: 3 * lookEvery, told: many},
		{what: "up to a bound", after: lookEvery, told: many, due: true, young: 5},
		{what: "which stays", after: lookSeldom, told: many, due: true, lasting: 1},
		{what: "one that lasts makes it soon again", after: lookEvery, told: many, due: true, lasting: mostFound},
		{what: "and more than are taken at once at once", after: interval, due: true},
	} {
		at = at.Add(step.after)
		due := l.due(at, step.told)
		if due != step.due {
			t.Errorf("%s: due %v", step.what, due)
		}
		if due {
			l.found(at, step.lasting, step.young)
		}
		if l.busy() == l.calm() {
			t.Errorf("%s: busy %v", step.what, l.busy())
		}
		if patience := l.patience(at); patience >= 0 == l.calm() {
			t.Errorf("%s: a wait for events ends after %v", step.what, patience)
		}
	}
}

func TestBeginningsAreThoseThatWereToldWhenTheyCame(t *testing.T) {
	events := []Event{{Kind: Opened}, {Kind: Opened, Unsaid: true}, {Kind: Bound}, {Kind: Closed}, {Kind: Unanswered}}
	if n := begun(events); n != 2 {
		t.Errorf("%d of these began, want the first and the third", n)
	}
}
