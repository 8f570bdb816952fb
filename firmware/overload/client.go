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
	groups := map[string][]string{} // those with clients that are limited
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
		groups[c.Group] = append(groups[c.Group], fmt.Sprintf("%s (%d)", c.Client, g.open))
	}
	for group, clients := range groups {
		slices.Sort(clients)
		changes = append(changes, b.see(now, key{event.ClientLimit, group}, event.Warning, 0, func(uint64) string { return limitText(group, clients, b.limit(group)) })...)
	}
	for _, k := range slices.Collect(maps.Keys(b.open)) {
		if k.kind == event.ClientLimit && groups[k.group] == nil {
			// Each of them has been below its limit for calm already.
			b.open[k].last = time.Time{}
			changes = append(changes, b.rest(now, k, "no MFD of group "+k.group+" has more connections open than one may have")...)
		}
	}
	return changes, changed
}

func (b *Book) limit(group string) (most int) {
	for c, g := range b.greedy {
		if c.Group == group {
			most = max(most, g.limit)
		}
	}
	return most
}

// named is the number of clients that a text names.
const named = 5

func limitText(group string, clients []string, limit int) string {
	more := ""
	if n := len(clients) - named; n > 0 {
		clients, more = clients[:named], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s%s: that many connections are open, or were within the last half minute, and group %s lets one MFD have %d. "+
		"New ones are refused until some are closed; what is open goes on, and nobody else is concerned. "+
		"An MFD needs some 40: restart it, or find out which program there opens them. If it is a router or a server with many MFDs behind it, set limits.connections of the group higher",
		strings.Join(clients, ", "), more, group, limit)
}
