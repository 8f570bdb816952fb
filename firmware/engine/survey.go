package engine

import (
	"net/http"
	"net/netip"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/dataplane"
)

// survey is what the open connections of a group say of the requirement.
type survey struct {
	connections int
	nodes       map[netip.Addr]map[dataplane.Mark]bool // by client
	addresses   map[netip.Addr]map[netip.Addr]bool     // under which the nodes see it
}

// surveys looks at all open connections, group by group.
func surveys(each func(func(dataplane.Connection)) error) (map[netip.Addr]*survey, error) {
	found := map[netip.Addr]*survey{}
	err := each(func(c dataplane.Connection) {
		s := found[c.VirtualAddress]
		if s == nil {
			s = &survey{nodes: map[netip.Addr]map[dataplane.Mark]bool{}, addresses: map[netip.Addr]map[netip.Addr]bool{}}
			found[c.VirtualAddress] = s
		}
		s.connections++
		note(s.nodes, c.Client, c.Mark)
		note(s.addresses, c.Client, c.SeenAs)
	})
	return found, err
}

func note[K, V comparable](in map[K]map[V]bool, k K, v V) {
	if in[k] == nil {
		in[k] = map[V]bool{}
	}
	in[k][v] = true
}

// several counts the clients that have more than one of something.
func several[V comparable](of map[netip.Addr]map[V]bool) (n int) {
	for _, seen := range of {
		if len(seen) > 1 {
			n++
		}
	}
	return n
}

// serveProof looks at the kernel's connections before it comes into the loop.
func (e *Engine) serveProof(w http.ResponseWriter, r *http.Request) {
	found, err := surveys(e.opts.EachConnection)
	if err != nil {
		wire.Answer(w, nil, err)
		return
	}
	reply(e, w, r, func() (api.Proof, error) { return e.proof(found), nil })
}
