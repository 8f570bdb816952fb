package engine

import (
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
)

// everOpenName is the file, beside the journal, of the checked ports that have
// answered: by the nodes' addresses, as names change. It is written when a port
// answers for the first time, which is once in its life.
const everOpenName = "answers.json"

// everOpen remembers which checked ports have ever answered, over a restart of the
// daemon and of the box: of one that has nobody may say that it never was there.
type everOpen struct {
	memo
	ports map[netip.Addr][]uint16
}

// readEverOpen reads what is remembered. The error says why that is nothing, when
// there was something.
func readEverOpen(dir string) (*everOpen, error) {
	o := &everOpen{memo: memo{path: filepath.Join(dir, everOpenName)}, ports: map[netip.Addr][]uint16{}}
	err := o.read(&o.ports)
	if err != nil || o.ports == nil {
		o.ports = map[netip.Addr][]uint16{}
	}
	return o, err
}

func (o *everOpen) has(node netip.Addr, port uint16) bool {
	return slices.Contains(o.ports[node], port)
}

// add remembers that ports of a node have answered.
func (o *everOpen) add(node netip.Addr, ports ...uint16) {
	for _, p := range ports {
		if !o.has(node, p) {
			o.ports[node] = append(o.ports[node], p)
			o.unsaved = true
		}
	}
}

// answered takes note of a port that has answered; what is known of nodes that are
// gone is forgotten with the first of a new one.
func (e *Engine) answered(m *member, port uint16) {
	if e.everOpen.has(m.Address, port) {
		return
	}
	e.everOpen.add(m.Address, port)
	maps.DeleteFunc(e.everOpen.ports, func(a netip.Addr, _ []uint16) bool { return e.at(a) == nil })
}

// answeredBefore takes over from the kernel that a node was Up, where nothing else is
// remembered of it: by an earlier version of this program, say, or as the last one was
// killed in the second in which the first answer came.
func (e *Engine) answeredBefore(m *member) {
	if len(e.everOpen.ports[m.Address]) == 0 && !m.Services.Watched() {
		e.everOpen.add(m.Address, m.group.Checks.Ports...)
	}
}

// saveMemos writes what has changed since the last tick.
func (e *Engine) saveMemos() {
	if err := e.starts.save(e.starts.starts); err != nil {
		e.opts.Log.Warn("starts of nodes would not survive a restart of the box", "err", err)
	}
	if err := e.everOpen.save(e.everOpen.ports); err != nil {
		e.opts.Log.Warn("which ports have answered would not survive a restart", "err", err)
	}
}

// finishMemos writes all of it before the daemon ends.
func (e *Engine) finishMemos() {
	if err := e.starts.finish(e.starts.starts); err != nil {
		e.opts.Log.Warn("starts of nodes", "err", err)
	}
	if err := e.everOpen.finish(e.everOpen.ports); err != nil {
		e.opts.Log.Warn("which ports have answered", "err", err)
	}
}
