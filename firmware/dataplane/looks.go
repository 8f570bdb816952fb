package dataplane

import (
	"fmt"
	"slices"
	"time"
)

const (
	// lookEvery is the time between two looks, up to lookSeldom while nothing is found that
	// lasts, or while one takes more than a hundredth of it: a look at 100,000 connections
	// takes 20 ms, and the cache of the processor.
	lookEvery  = time.Second
	lookSeldom = 4 * time.Second
	// mostFound bounds what a look takes of the memory. What is left is found by the next.
	mostFound = 1 << 11
)

// looks decides when to look for connections that last and whose beginning was unsaid.
// The zero value looks at once: who was here before may have left some.
type looks struct {
	told, before int // beginnings since it was last asked, and before that
	every        time.Duration
	next         time.Time
	done         bool // nothing that was unsaid is left
}

// many is how many beginnings that were told in one of the last two times say that
// others may have been unsaid: while the rate is spent toldPerSecond are told.
const many = toldPerSecond * int(lookEvery/time.Second) / 2

// due takes the beginnings that were told since it was last asked, and tells whether to
// look: not in the first second of a rush, of which nothing has lasted.
func (l *looks) due(now time.Time, told int) bool {
	l.told += told
	if now.Before(l.next) {
		return false
	}
	due := !l.done || l.before >= many
	l.before, l.told = l.told, 0
	l.next = now.Add(lookEvery)
	return due
}

func (l *looks) calm() bool { return l.done && l.told < many && l.before < many }

// busy tells whether the kernel may not have told all. Before the first look nobody knows.
func (l *looks) busy() bool { return l.every > 0 && !l.calm() }

// found takes what a look that took so long has found: connections that last, and those
// that have just begun.
func (l *looks) found(now time.Time, took time.Duration, lasting, young int) {
	l.done = lasting+young == 0
	l.every = min(2*max(l.every, lookEvery/2), lookSeldom)
	if lasting > 0 {
		l.every = lookEvery
	}
	l.every = max(l.every, min(100*took, lookSeldom))
	if lasting >= mostFound {
		l.every = interval
	}
	l.next = now.Add(l.every)
}

// patience is how long nobody need look; negative is for ever, unless something happens.
func (l *looks) patience(now time.Time) time.Duration {
	if l.calm() {
		return -1
	}
	return max(0, l.next.Sub(now))
}

// young tells whether a connection of that age has not lasted yet. Ages are those of the
// wall clock, which may have been set back.
func young(age time.Duration) bool { return age >= 0 && age < lookEvery/2 }

// sight is what a look finds.
type sight struct {
	lasting [][]byte // names of connections; their room is used again
	young   int
}

func (s *sight) begin() { s.lasting, s.young = s.lasting[:0], 0 }

// see takes a connection when the kernel tells of it: it may have begun after the look has.
func (s *sight) see(c *connection) {
	switch {
	case !c.ours() || c.over() || len(s.lasting) == mostFound:
	case !c.answered() || young(time.Since(c.began)):
		s.young++
	default:
		s.lasting = appendName(s.lasting, c.rawOriginal)
	}
}

// look has the kernel tell of connections that last. That it does is an event like that
// of a beginning; one that is over meanwhile is not told of.
func (t *Tracker) look() error {
	start := time.Now()
	t.sight.begin()
	if err := t.dumps.dump(filter{unsaid, unsaid}, t.sight.see); err != nil {
		return err
	}
	change := markAttributes(nil, filter{0, unsaid})
	change = attribute(change, ctaLabels, labels(labelSaid))
	change = attribute(change, ctaLabelsMask, labels(labelSaid))
	err := t.dumps.change(ctNew, t.sight.lasting,
		func(body []byte, _ int) []byte { return append(body, change...) },
		func(error) error { return nil }) // most likely it is gone
	if err != nil {
		return fmt.Errorf("tell of connections: %w", err)
	}
	now := time.Now()
	t.looks.found(now, now.Sub(start), len(t.sight.lasting), t.sight.young)
	return nil
}

// appendName adds a copy of a name, in the room of one of an earlier look if there is any.
func appendName(names [][]byte, name []byte) [][]byte {
	if len(names) == cap(names) {
		return append(names, slices.Clone(name))
	}
	names = names[:len(names)+1]
	last := &names[len(names)-1]
	*last = append((*last)[:0], name...)
	return names
}

// begun is the number of beginnings among events that were told when they came.
func begun(events []Event) (n int) {
	for _, ev := range events {
		if ev.Kind == Opened && !ev.Unsaid || ev.Kind == Bound {
			n++
		}
	}
	return n
}
