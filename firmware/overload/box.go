package overload

import (
	"fmt"
	"time"

	"spoolgate/firmware/event"
)

// Begin takes how the box is before this program does anything: what was turned away
// until then is no news. Without it the first Read begins.
func (b *Book) Begin(r Reading) { b.before, b.read = r, true }

// Read takes how the box is. Call it about once a second.
func (b *Book) Read(now time.Time, r Reading) (changes []Finding) {
	if !b.read {
		b.Begin(r)
	}
	heldBack, noRoom, dropped := more(r.HeldBack, b.before.HeldBack), more(r.NoRoom, b.before.NoRoom), more(r.Dropped, b.before.Dropped)
	b.before = r
	changes = append(changes, b.newcomers(now, r, heldBack)...)
	changes = append(changes, b.bindings(now, r, noRoom)...)
	return append(changes, b.connections(now, r, dropped)...)
}

// more is how much a counter grew; one that began anew counts from 0.
func more(is, was uint64) uint64 {
	if is < was {
		return is
	}
	return is - was
}

func (b *Book) newcomers(now time.Time, r Reading, heldBack uint64) []Finding {
	k := key{event.BoxNewcomers, ""}
	if heldBack == 0 {
		return b.rest(now, k, "no more unknown addresses call than the box lets in")
	}
	return b.see(now, k, event.Warning, heldBack, func(count uint64) string {
		return fmt.Sprintf("more unknown addresses call than the %d a second that the box lets in: %s got no answer yet. "+
			"MFDs that are bound are served as ever; a new one is let in when it asks again, a second later. "+
			"Find out who sends them, such as a scan or a machine that makes up addresses: a capture at the switch shows its MAC address. "+
			"If so many MFDs come at once every day, set limits.newcomers higher", r.Newcomers, packets(count))
	})
}

func (b *Book) bindings(now time.Time, r Reading, noRoom uint64) []Finding {
	k := key{event.BoxBindings, ""}
	room := fmt.Sprintf("%d of %d MFDs are bound", r.Bindings, r.MostBindings)
	switch {
	case noRoom > 0 || full(r.Bindings, r.MostBindings, 100):
		return b.see(now, k, event.Alert, noRoom, func(count uint64) string {
			return fmt.Sprintf("the box has no room for another MFD: %s. New ones are refused (%s so far); those that are bound are served as ever. "+
				"So many MFDs there are not: look in spoolctl who for addresses that are none, and find out who sends in their name", room, packets(count))
		})
	case full(r.Bindings, r.MostBindings, nearlyFull):
		return b.see(now, k, event.Warning, 0, func(uint64) string {
			return fmt.Sprintf("the box soon has no room for new MFDs: %s. Look in spoolctl who for addresses that are no MFD's, and find out who sends in their name", room)
		})
	}
	return b.rest(now, k, "there is room for new MFDs again: "+room)
}

func (b *Book) connections(now time.Time, r Reading, dropped uint64) []Finding {
	k := key{event.BoxConnections, ""}
	room := fmt.Sprintf("%d of %d connections are in use, closed ones of the last seconds included", r.Connections, r.MostConnections)
	switch {
	case dropped > 0:
		return b.see(now, k, event.Alert, dropped, func(count uint64) string {
			return fmt.Sprintf("the kernel has no room for another connection: %s. It dropped %s so far, which MFDs repeat after a second; open connections go on. "+
				"Look in spoolctl who which addresses have many open, and what they are. On a machine that is not the box's own, net.netfilter.nf_conntrack_max can be raised", room, packets(count))
		})
	case full(r.Connections, r.MostConnections, nearlyFull):
		return b.see(now, k, event.Warning, 0, func(uint64) string {
			return fmt.Sprintf("the kernel soon has no room for new connections: %s. Those that nobody has followed up make way for others. "+
				"Look in spoolctl who which addresses have many open, and what they are", room)
		})
	}
	return b.rest(now, k, "there is room for new connections again: "+room)
}

// full reports whether so many percent of a bound are reached; 0 is no bound.
func full(is, most, percent int) bool { return most > 0 && is >= most/100*percent }

func packets(n uint64) string {
	if n == 1 {
		return "1 first packet"
	}
	return fmt.Sprintf("%d first packets", n)
}
