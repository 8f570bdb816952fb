package proof

import (
	"net/netip"
	"time"

	"spoolgate/firmware/dataplane"
)

// Survey is what the open connections of a group say of the requirement.
type Survey struct {
	Connections int
	Nodes       map[netip.Addr]map[dataplane.Mark]time.Time // by MFD: when its last connection to the node began
	addresses   map[netip.Addr]map[netip.Addr]bool          // by MFD: under which the nodes see it
	answered    map[uint16]int                              // connections by port, without the data of FTP
	data        int                                         // answered data connections
}

// NewSurvey begins with no connection.
func NewSurvey() *Survey {
	return &Survey{Nodes: map[netip.Addr]map[dataplane.Mark]time.Time{}, addresses: map[netip.Addr]map[netip.Addr]bool{}, answered: map[uint16]int{}}
}

// Add takes an open connection. Data connections follow their control connection,
// wherever that is: they say nothing of where the MFD is sent.
func (s *Survey) Add(c dataplane.Connection, data bool) {
	s.Connections++
	if s.addresses[c.Client] == nil {
		s.addresses[c.Client] = map[netip.Addr]bool{}
	}
	s.addresses[c.Client][c.SeenAs] = true
	switch {
	case c.Received == 0:
	case data:
		s.data++
	default:
		s.answered[c.Port]++
	}
	if c.Related {
		return
	}
	nodes := s.Nodes[c.Client]
	if nodes == nil {
		nodes = map[dataplane.Mark]time.Time{}
		s.Nodes[c.Client] = nodes
	}
	if c.Began.After(nodes[c.Mark]) {
		nodes[c.Mark] = c.Began
	} else if _, known := nodes[c.Mark]; !known {
		nodes[c.Mark] = c.Began
	}
}

// severalAddresses counts the MFDs that nodes see under more than one address.
func (s *Survey) severalAddresses() (n int) {
	for _, seen := range s.addresses {
		if len(seen) > 1 {
			n++
		}
	}
	return n
}
