package overload

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/event"
)

// greedy is a client that has had as many connections open as it may.
type greedy struct {
	open, limit int
	limited     bool
	last        time.Time // it was
}

// Count takes the number of connections that a client has open, and whether that
// changes who is limited. It is to be called when it may be too many; Recount finds
// out when it is not any more.
func (b *Book) Count(now time.Time, c Caller, open, limit int) (changed bool) {
	g := b.greedy[c]
	if g == nil {
		if open < limit || len(b.greedy) >= callers {
			return false
		}
		g = &greedy{}
		b.greedy[c] = g
	}
	g.open, g.limit = open, limit
	was := g.limited
	if g.limited = open >= limit; g.limited {
		g.last = now
	}
	return g.limited != was
}

// Limited are the clients that get no more connections.
func (b *Book) Limited() (out []Caller) {
	for c, g := range b.greedy {
		if g.limited {
			out = append(out, c)
		}
	}
	return out
}

// Recount counts the clients again that had too many connections, and returns what
// changed. open tells how many one has, and how many it may have; 0 when there is no
// such group any more. Call it about once a second.
func (b *Book) Recount(now time.Time, open func(Caller) (is, limit int)) (changes []Finding, changed bool) {
	groups := map[string]*crowd{}
	for c, g := range b.greedy {
		is, limit := open(c)
		if limit == 0 {
			changed = changed || g.limited
			delete(b.greedy, c)
			continue
		}
		changed = b.Count(now, c, is, limit) || changed
		if now.Sub(g.last) >= calm {
			delete(b.greedy, c)
			continue
		}
		if groups[c.Group] == nil {
			groups[c.Group] = &crowd{}
		}
		groups[c.Group].add(c, g)
	}
	for group, of := range groups {
		changes = append(changes, b.see(now, key{event.ClientLimit, group}, event.Warning, 0, func(uint64) string { return of.text(group) })...)
	}
	for _, k := range slices.Concat(slices.Collect(maps.Keys(b.open)), slices.Collect(maps.Keys(b.recalled))) {
		if k.kind == event.ClientLimit && groups[k.group] == nil {
			if t := b.open[k]; t != nil {
				t.last = time.Time{} // each of them has been below its limit for calm already
			}
			changes = append(changes, b.rest(now, k, "no MFD of group "+k.group+" has more connections open than one may have")...)
		}
	}
	return changes, changed
}

// crowd are the greedy clients of a group, in words: those that are limited, and those
// that were within calm.
type crowd struct {
	limited, eased []string
	limit          int
}

func (c *crowd) add(who Caller, g *greedy) {
	c.limit = max(c.limit, g.limit)
	if g.limited {
		c.limited = append(c.limited, fmt.Sprintf("%s (%d)", who.Client, g.open))
	} else {
		c.eased = append(c.eased, fmt.Sprintf("%s (%d now)", who.Client, g.open))
	}
}

// named is the number of clients that a text names.
const named = 5

func list(clients []string) string {
	slices.Sort(clients)
	more := ""
	if n := len(clients) - named; n > 0 {
		clients, more = clients[:named], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(clients, ", ") + more
}

func (c *crowd) text(group string) (text string) {
	if len(c.limited) > 0 {
		text = fmt.Sprintf("%s: that many connections are open, and group %s lets one MFD have %d. "+
			"New ones are refused for as long as it has so many; what is open goes on, and nobody else is concerned. ", list(c.limited), group, c.limit)
	}
	if len(c.eased) > 0 {
		text += fmt.Sprintf("%s: within the last half minute as many connections were open as group %s lets one MFD have, %d. "+
			"New ones are let in again. ", list(c.eased), group, c.limit)
	}
	return text + "An MFD needs some 40: restart it, or find out which program there opens them. " +
		"If it is a router or a server with many MFDs behind it, set limits.connections of the group higher"
}
