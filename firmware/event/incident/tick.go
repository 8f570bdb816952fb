package incident

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"spoolgate/firmware/api"
)

// Tick is what time alone brings about: digests, and ends. Call it every second.
func (b *Book) Tick(now time.Time) []api.Report {
	out := b.unexplained(now)
	for _, e := range b.orphans {
		out = append(out, e.clear(now, "its end was lost with the last moments before a restart"))
	}
	b.orphans = nil
	for _, e := range slices.SortedFunc(maps.Values(b.entries), func(x, y *entry) int { return int(x.ID) - int(y.ID) }) {
		switch {
		case !e.Open():
			if now.Sub(e.Cleared) >= b.pace.Again {
				delete(b.entries, keyOf(e.Incident))
			}
		case !e.confirmed && e.ComesAndGoes && e.Away.IsZero() && now.Sub(b.since) >= b.pace.Confirm:
			e.goAway(b.since)
		case !e.confirmed && !e.ComesAndGoes && now.Sub(b.since) >= b.pace.Confirm:
			out = append(out, e.clear(now, "no sign of it since the balancer was started anew"))
		case e.alone && now.Sub(e.Updated) >= b.pace.Single:
			out = append(out, e.clear(now, fmt.Sprintf("it has not happened again for %v", b.pace.Single)))
		case !e.ComesAndGoes && !e.Away.IsZero():
			if len(b.comingBack()) == 0 {
				out = append(out, e.clear(now, "over, and so is what followed from it"))
			}
		case !e.Away.IsZero():
			// The last word sums up, too.
			if now.Sub(e.Away) >= b.pace.Steady {
				out = append(out, e.clear(now, fmt.Sprintf("over: it came %d times, and has stayed away for %v", e.Times, b.pace.Steady)))
			}
		case e.ComesAndGoes && e.Times > e.summed && !now.Before(e.nextDigest):
			out = append(out, e.digest(now, b.pace))
		}
	}
	return out
}

// Keep ends the incidents of groups and nodes that are not configured any more.
func (b *Book) Keep(configured func(group, node string) bool, now time.Time) []api.Report {
	maps.DeleteFunc(b.nodes, func(k key, _ *lostNode) bool { return !configured(k.group, k.node) })
	b.keepAbsorbed(configured)
	gone := func(group string, _ api.Event) bool { return !configured(group, "") }
	maps.DeleteFunc(b.groups, gone)
	maps.DeleteFunc(b.away, gone)
	maps.DeleteFunc(b.ordered, func(group string, _ bool) bool { return !configured(group, "") })
	var out []api.Report
	for _, i := range b.Open() {
		if i.Group != "" && !configured(i.Group, i.Node) {
			k := keyOf(i)
			out = append(out, b.entries[k].clear(now, "its name is not configured any more, or stands for another machine now"))
			delete(b.entries, k) // it did not go away: configured anew and still wrong, it has not come again
		}
	}
	return out
}
