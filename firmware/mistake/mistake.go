// Package mistake recognises the frequent mistakes of an installation in what the
// box sees of its clients' connections, and says them in words: what is wrong, why,
// and what to do.
//
// It is rules only: observations and times come in as parameters, changes go out.
// What the rules rest on:
//
//	node.replies      every client of a transparent node goes unanswered while its checks
//	                  are answered
//	node.check        a checked port was refused ever since the box knows the node
//	node.port         a port that the group passes is refused by a node whose checks are
//	                  answered: to several clients, or to one for half an hour
//	node.firewall     the same with silence, while others are answered or the group is
//	                  masked, so that it can't be the way back
//	node.ftp-address  the reply to PASV names another machine than the node
//	client.shared     more connections are open at once from one address than one MFD has
//	client.bypass     a bound MFD opens a passed port at the node's own address
//	client.scans      an MFD works for days and sends no scan, while most others do
//
// What the box can't see, no rule finds: what an MFD says to a node directly in one
// network with it (client.scans is a guess at it), what FTP over TLS announces, fewer
// MFDs behind one address than have more connections than one.
package mistake

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/event"
)

// Place is a node by the names that people know it by. The node is empty where a
// finding is about a whole group.
type Place struct{ Group, Node string }

// Node is the node that something was observed of.
type Node struct {
	Place
	VirtualAddress, Address netip.Addr
	Transparent             bool
	// Gateway is the box's own address towards the node.
	Gateway netip.Addr
	// Adjacent says that the client is in one network with the node.
	Adjacent bool
	// UpSince is zero unless all checks of the node are answered.
	UpSince time.Time
	// Patience is the time that the checks take to find a dead node. What clients
	// meet before it is over may be that.
	Patience time.Duration
	// Startup is how long the node's server takes to start: its up-delay.
	Startup time.Duration
	// Answered says that the box remembers an answer of the checked port, also of
	// before a restart.
	Answered bool
	// Checks are the ports that are probed, Passes tells those that MFDs may use; for
	// Keep.
	Checks []uint16
	Passes func(port uint16) bool
}

// Finding is a mistake.
type Finding struct {
	Kind     string // of its event
	Severity string
	Place
	Text  string
	Since time.Time
	// About are the ports or addresses that it is about, when it was told; one that is
	// empty where there are none.
	About []string
}

// Book keeps what was observed and the findings that are open. It is for one
// goroutine. Each method returns the findings that came, grew or are over; the
// latter have the severity Notice.
type Book struct {
	open     map[key]*entry
	contacts map[Place]*contact
	checks   map[checkKey]*check
	crowds   map[caller]*crowd
	strays   map[strayKey]*stray
	works    map[caller]*work
	counted  time.Time            // works, last
	nodes    map[Place]netip.Addr // as of the last Keep
}

// NewBook is a book without findings.
func NewBook() *Book {
	return &Book{
		open: map[key]*entry{}, contacts: map[Place]*contact{}, checks: map[checkKey]*check{},
		crowds: map[caller]*crowd{}, strays: map[strayKey]*stray{}, works: map[caller]*work{},
	}
}

type key struct {
	kind string
	Place
}

// entry is an open finding. It is one of a kind and a place, however many ports or
// addresses it is about: whoever is told that it is over can rely on it.
type entry struct {
	Finding
	about map[string]bool
	text  func(about []string) string // nil of one of before a restart, until it is seen again
}

// raise opens a finding, or adds to it what it is about.
func (b *Book) raise(now time.Time, k key, about string, text func(about []string) string) []Finding {
	e := b.open[k]
	if e == nil {
		e = &entry{Finding: Finding{Kind: k.kind, Severity: event.Warning, Place: k.Place, Since: now}, about: map[string]bool{}}
		b.open[k] = e
	}
	known := e.about[about]
	if known && e.text != nil {
		return nil
	}
	e.about[about], e.text = true, text
	e.About = sorted(e.about)
	e.Text = text(e.About)
	if known {
		return nil
	}
	if len(e.about) > 1 && !strings.HasPrefix(k.kind, "node.") {
		return nil // one mistake of many MFDs is no news with each of them
	}
	return []Finding{e.Finding}
}

// settle takes away what a finding is about; the finding is over with the last.
func (b *Book) settle(k key, about, over string) []Finding {
	e := b.open[k]
	if e == nil || !e.about[about] {
		return nil
	}
	delete(e.about, about)
	if len(e.about) > 0 {
		e.About = sorted(e.about)
		if e.text != nil {
			e.Text = e.text(e.About)
		}
		return nil
	}
	delete(b.open, k)
	f := e.Finding
	f.Severity, f.Text = event.Notice, over
	return []Finding{f}
}

// Open are the findings of a group that are open, the oldest first.
func (b *Book) Open(group string) (out []Finding) {
	for k, e := range b.open {
		if k.Group == group {
			out = append(out, e.Finding)
		}
	}
	slices.SortFunc(out, func(a, b Finding) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Kind+a.Node, b.Kind+b.Node)
	})
	return out
}

// Tick lets time alone work. Call it about once a second.
func (b *Book) Tick(now time.Time) []Finding {
	return slices.Concat(b.tickContacts(now), b.tickCrowds(now), b.tickStrays(now), b.tickWorks(now))
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// named is the number of ports or addresses that a text names.
const named = 5

// list joins what people read: "21", "21 and 5610", "21, 5013 and 5610".
func list(items []string) string {
	if more := len(items) - named; more > 1 {
		items = append(slices.Clone(items[:named]), fmt.Sprintf("%d more", more))
	}
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}
