// Package overload recognises that more is asked of the box than it has room for, says
// it in words, and says who gets no more meanwhile.
//
// It is rules only: counts and times come in as parameters, changes go out. What the
// kernel does by itself is in package dataplane; what the rules rest on:
//
//	client.limit       a client has as many connections open as its group allows one
//	box.newcomers      the kernel held back first packets of unknown clients
//	box.bindings       there is hardly room for another client, or none
//	box.connections    the same for connections; the kernel dropped first packets
//
// Each is told when it begins, again when it gets worse, and when it has been over for
// half a minute. One that was told before a restart is told again, or its end, in less.
package overload

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"spoolgate/firmware/event"
)

const (
	// calm is how long nothing must be seen of an overload until it is over.
	calm = 30 * time.Second
	// resumed is the same after a restart for what was open before it: part of calm may
	// have gone by already.
	resumed = calm / 2
	// callers bounds the clients that are kept, as the kernel bounds those that it
	// limits.
	callers = 4096
	// A share of its bound from which on the box warns, in percent.
	nearlyFull = 90
)

// Caller is a client of a group.
type Caller struct {
	Group  string
	Client netip.Addr
}

// Reading is how the box is, at one moment. The numbers of packets are those since the
// kernel started.
type Reading struct {
	Connections, MostConnections int
	Bindings, MostBindings       int
	// Dropped are first packets without room for a connection, HeldBack those of
	// newcomers above the rate, NoRoom those of newcomers that could not be bound.
	Dropped, HeldBack, NoRoom uint64
	// Newcomers is how many are let in a second.
	Newcomers int
}

// Finding is an overload. Group is empty when it is the whole box's.
type Finding struct {
	Kind     string // of its event
	Severity string
	Group    string
	Text     string
	Since    time.Time
}

type key struct{ kind, group string }

// trouble is an open finding.
type trouble struct {
	Finding
	last  time.Time // it was seen
	count uint64    // of packets since it began
}

// Book keeps what is overloaded now. It is for one goroutine.
type Book struct {
	open   map[key]*trouble
	greedy map[Caller]*greedy
	before Reading
	read   bool // before is one
	// recalled are the overloads of before this book that it has not seen, with the
	// moment from which on it looks for them.
	recalled map[key]time.Time
}

// NewBook is a book without findings.
func NewBook() *Book {
	return &Book{open: map[key]*trouble{}, greedy: map[Caller]*greedy{}, recalled: map[key]time.Time{}}
}

// Recall takes it that an overload was told before this book began. It is told again
// when it is seen, or else its end is. Of any other kind nothing is kept.
func (b *Book) Recall(now time.Time, kind, group string) {
	switch kind {
	case event.ClientLimit, event.BoxNewcomers, event.BoxBindings, event.BoxConnections:
		if k := (key{kind, group}); b.open[k] == nil {
			b.recalled[k] = now
		}
	}
}

// Open are the findings that last, the oldest first.
func (b *Book) Open() (out []Finding) {
	for _, t := range b.open {
		out = append(out, t.Finding)
	}
	slices.SortFunc(out, func(x, y Finding) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Group, y.Group))
	})
	return out
}

// see takes it that an overload is there now, and returns it when it is news.
func (b *Book) see(now time.Time, k key, severity string, more uint64, text func(count uint64) string) []Finding {
	t := b.open[k]
	news := t == nil
	if t == nil {
		t = &trouble{Finding: Finding{Kind: k.kind, Severity: severity, Group: k.group, Since: now}}
		b.open[k] = t
		delete(b.recalled, k)
	}
	if severity == event.Alert && t.Severity != event.Alert {
		t.Severity, news = severity, true
	}
	t.last = now
	t.count += more
	t.Text = text(t.count)
	if !news {
		return nil
	}
	return []Finding{t.Finding}
}

// rest takes it that an overload is not there now, and returns its end when that has
// been so for a while.
func (b *Book) rest(now time.Time, k key, over string) []Finding {
	t := b.open[k]
	if since, is := b.recalled[k]; is && now.Sub(since) >= resumed {
		delete(b.recalled, k)
		return []Finding{{Kind: k.kind, Severity: event.Notice, Group: k.group, Text: over, Since: since}}
	}
	if t == nil || now.Sub(t.last) < calm {
		return nil
	}
	delete(b.open, k)
	f := t.Finding
	f.Severity, f.Text = event.Notice, over
	return []Finding{f}
}
