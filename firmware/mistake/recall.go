package mistake

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"spoolgate/firmware/event"
)

// Lasts reports whether what was told of a kind of mistake is true after a restart of
// the program, too, until something else is seen. It is not of client.scans: who has
// sent no scan for days is found out anew.
func Lasts(kind string) bool {
	return slices.Contains([]string{event.NodeReplies, event.NodeCheck, event.NodePort, event.NodeFirewall, event.NodeFTPAddress,
		event.ClientShared, event.ClientBypass}, kind)
}

// Recall tells a new Book of a finding that was open before it. It is not told again,
// and is over as it would have been without a restart: by the first probe or connection
// that is answered, or after a day without the like.
func (b *Book) Recall(now time.Time, f Finding) {
	e := &entry{Finding: f, about: map[string]bool{}}
	for _, about := range f.About {
		if b.restore(now, f, about) {
			e.about[about] = true
		}
	}
	if len(e.about) > 0 {
		b.open[key{f.Kind, f.Place}] = e
	}
}

// restore brings back what ends a finding, and reports whether it can.
func (b *Book) restore(now time.Time, f Finding, about string) bool {
	switch f.Kind {
	case event.NodeFTPAddress:
		return true
	case event.NodeReplies:
		b.met(f.Place).back.told = f.Kind
		return true
	case event.NodeCheck, event.NodePort, event.NodeFirewall:
		port, err := strconv.ParseUint(about, 10, 16)
		if err == nil && f.Kind == event.NodeCheck {
			b.checks[checkKey{f.Place, uint16(port)}] = &check{told: true}
		} else if err == nil {
			b.met(f.Place).ports[uint16(port)] = &streak{told: f.Kind}
		}
		return err == nil
	case event.ClientShared, event.ClientBypass:
		client, err := netip.ParseAddr(about)
		if err == nil && f.Kind == event.ClientShared {
			b.crowds[caller{f.Group, client}] = &crowd{since: now, told: true, few: now}
		} else if err == nil {
			b.strays[strayKey{f.Place, client}] = &stray{last: now}
		}
		return err == nil
	}
	return false
}

// Remembered are findings by what makes them one, as events tell of them, oldest first.
type Remembered struct{ open map[key]Finding }

// Told takes what an event told of a mistake: that it is there, with severity Warning,
// or that it is over.
func (r *Remembered) Told(f Finding) {
	k := key{f.Kind, f.Place}
	if f.Severity == event.Notice {
		delete(r.open, k)
		return
	}
	if r.open == nil {
		r.open = map[key]Finding{}
	}
	r.open[k] = f
}

// Over takes that a finding is not believed any more.
func (r *Remembered) Over(kind string, at Place) { delete(r.open, key{kind, at}) }

// Open are the findings that were not over.
func (r *Remembered) Open() []Finding { return slices.Collect(maps.Values(r.open)) }
