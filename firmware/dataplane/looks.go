package dataplane

import (
	"fmt"
	"slices"
	"time"
)

const (
	// lookEvery is the time between two looks; up to lookSeldom while nothing is found that
	// lasts, or while a look takes more than a hundredth of it: one at 100,000 connections
	// takes 20 ms, and the cache of the processor.
	lookEvery  = time.Second
	lookSeldom = 4 * time.Second
	// mostFound bounds what a look takes of the memory. What is left is found by the next.
	mostFound = 1 << 11
)

// looks decides when to look for connections that last and whose beginning was unsaid.
type looks struct {
	second time.Time // the beginnings that were told from then on, for a second, are told
	told   int
	rush   time.Time // when last there were many of them
	came   time.Time // others before may have left some
	looked time.Time // when the last look began
	every  time.Duration
	next   time.Time
	done   bool // it has found nothing that was unsaid
}

// many is how many beginnings that are told in a second say that others may be unsaid:
// whenever one is, toldPerSecond were told in the second before it, which is part of two of
// those that are counted.
const many = toldPerSecond * int(lookEvery/time.Second) / 2

// newLooks are those of who has just come.
func newLooks(now time.Time) looks { return looks{came: now} }

// due takes the beginnings that were told since it was last asked, and tells whether to
// look.
func (l *looks) due(now time.Time, told int) bool {
	calm := l.calm()
	l.count(now, told)
	if calm && !l.calm() {
		l.next = now.Add(lookEvery) // nothing has lasted of what has just begun
	}
	return !l.calm() && !now.Before(l.next)
}

func (l *looks) count(now time.Time, told int) {
	if now.Sub(l.second) >= lookEvery {
		l.second, l.told = now, 0
	}
	l.told += told
	if l.told >= many {
		l.rush = now
	}
}

// foundNone tells whether a look has found nothing that began when all that was unsaid until
// then must have lasted.
func (l *looks) foundNone(then time.Time) bool { return l.done && l.looked.Sub(then) >= 2*lookEvery }

// calm tells whether nobody need look.
func (l *looks) calm() bool { return l.foundNone(l.rush) && l.foundNone(l.came) }

// busy tells whether the kernel may not have told all. Before the first look nobody knows.
func (l *looks) busy() bool { return l.every > 0 && !l.foundNone(l.rush) }

// found takes what a look has found that began and ended then: connections that last, and
// those that have just begun.
func (l *looks) found(began, ended time.Time, lasting, young int) {
	l.looked, l.done = began, lasting+young == 0
	l.every = min(2*max(l.every, lookEvery/2), lookSeldom)
	if lasting > 0 {
		l.every = lookEvery
	}
	l.every = max(l.every, min(100*ended.Sub(began), lookSeldom))
	if lasting >= mostFound {
		l.every = interval
	}
	l.next = ended.Add(l.every)
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
	began := time.Now()
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
	t.looks.found(began, time.Now(), len(t.sight.lasting), t.sight.young)
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
