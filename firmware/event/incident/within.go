package incident

import (
	"maps"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// absorbed is a trouble that came while a wider one of its node lasted. It is evidence
// of that one, and goes on when that one is over.
type absorbed struct {
	ev        api.Event
	confirmed bool // whoever finds it knows of it since this book began
}

// absorb is the wider incident of the same node that explains an event, and remembers
// what it explains; nil if the event stands for itself.
func (b *Book) absorb(k key, ev api.Event) *entry {
	wider := b.entries[widerThan(k)]
	if !wider.lasts() || b.entries[k].lasts() {
		delete(b.absorbed, k)
		return nil
	}
	if grave(ev.Severity) >= grave(event.Warning) {
		b.absorbed[k] = &absorbed{ev, true}
	} else {
		delete(b.absorbed, k)
	}
	return wider
}

// widerThan is the incident that a trouble is explained by while it lasts.
func widerThan(k key) key { return key{kind: rules[k.kind].within, group: k.group, node: k.node} }

// recallAbsorbed takes over what an incident of before this book had absorbed. It is
// told only if whoever finds it goes on with it: otherwise it is found anew.
func (b *Book) recallAbsorbed(r api.Report) {
	ev := r.Event
	if i := r.Incident; i != nil {
		delete(b.absorbed, keyOf(*i)) // it became its own
	}
	if rules[ev.Kind].within == "" {
		return
	}
	k := key{ev.Kind, ev.Group, ev.Node, ev.Program}
	if i := r.Incident; i != nil && keyOf(*i) == widerThan(k) && grave(ev.Severity) >= grave(event.Warning) {
		b.absorbed[k] = &absorbed{ev: ev}
	} else {
		delete(b.absorbed, k)
	}
}

// released adds what was absorbed and is explained by nothing any more. A node that is
// away with all others is explained by the box's own trouble.
func (b *Book) released(wrong map[key]api.Event) {
	for k, a := range b.absorbed {
		wider := widerThan(k)
		if a.confirmed && !b.entries[wider].lasts() && b.nodes[wider] == nil && !b.entries[k].lasts() {
			wrong[k] = a.ev
		}
	}
}

// keepAbsorbed forgets those of nodes that are not configured any more.
func (b *Book) keepAbsorbed(configured func(group, node string) bool) {
	maps.DeleteFunc(b.absorbed, func(k key, _ *absorbed) bool { return !configured(k.group, k.node) })
}
