package mistake

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"spoolgate/firmware/event"
)

const (
	// scanless is the number of days with connections to terminal ports after which
	// an MFD that has sent no scan is counted as one that sends none.
	scanless = 5
	// A finding needs at least scanners MFDs that do send scans, and most of those
	// that are known: usual for each that does not.
	scanners = 3
	usual    = 4
	// worked bounds the MFDs that are kept.
	worked = 4096
	// idle is how long an MFD that is not seen is kept.
	idle = 30 * 24 * time.Hour
)

const day = 24 * time.Hour

// work is what an MFD has done.
type work struct {
	days  int // with connections
	last  time.Time
	scans bool
}

// Worked takes a connection of an MFD that was sent to a node; scan says that its
// port is one of those that scans go to. What is kept begins anew with the program.
//
// In one network with a node an MFD reaches it past the box, which then sees nothing
// of its scans. That others send theirs through the virtual address is the only
// sign of it, and a weak one: perhaps nobody scans there.
func (b *Book) Worked(now time.Time, group string, client netip.Addr, scan bool) {
	k := caller{group, client}
	w := b.works[k]
	if w == nil {
		if len(b.works) >= worked {
			return
		}
		w = &work{}
		b.works[k] = w
	}
	if w.days == 0 || !now.Truncate(day).Equal(w.last.Truncate(day)) {
		w.days++
	}
	w.last, w.scans = now, w.scans || scan
}

// tickWorks looks once an hour who sends no scans.
func (b *Book) tickWorks(now time.Time) (changes []Finding) {
	if now.Sub(b.counted) < time.Hour {
		return nil
	}
	b.counted = now
	maps.DeleteFunc(b.works, func(_ caller, w *work) bool { return now.Sub(w.last) > idle })
	do, dont := map[string]int{}, map[string][]string{}
	for k, w := range b.works {
		switch {
		case w.scans:
			do[k.group]++
		case w.days >= scanless:
			dont[k.group] = append(dont[k.group], k.client.String())
		}
	}
	groups := map[string]bool{}
	for k := range b.works {
		groups[k.group] = true
	}
	for k := range b.open {
		groups[k.Group] = true // also with nobody left
	}
	for group := range groups {
		clients := dont[group]
		if do[group] < max(scanners, usual*len(clients)) {
			clients = nil
		}
		changes = append(changes, b.scanless(now, group, clients, do[group])...)
	}
	return changes
}

// scanless makes the finding of a group be about these MFDs.
func (b *Book) scanless(now time.Time, group string, clients []string, others int) (changes []Finding) {
	k := key{event.ClientScans, Place{Group: group}}
	for _, client := range clients {
		changes = append(changes, b.raise(now, k, client, func(clients []string) string {
			return fmt.Sprintf("MFD %s has not sent one scan through the virtual address in %d days of work, and %d others do. "+
				"Its scans may go to a node's own address past this box, and then fail when that node does: look which address it is given as the scan destination. If nobody scans there, all is well",
				list(clients), scanless, others)
		})...)
	}
	if e := b.open[k]; e != nil {
		for _, client := range sorted(e.about) {
			if !slices.Contains(clients, client) {
				changes = append(changes, b.settle(k, client, "the MFDs that sent no scans through the virtual address do now, or are gone")...)
			}
		}
	}
	return changes
}
