package proof

import (
	"net/netip"
	"time"

	"spoolgate/firmware/dataplane"
)

// Survey is what the open connections of a group say of the requirement.
type Survey struct {
	Nodes     map[netip.Addr]map[dataplane.Mark]time.Time // by MFD: when its last connection to the node began
	addresses map[netip.Addr]map[netip.Addr]bool          // by MFD: under which the nodes see it
	answered  map[uint16]int                              // connections by port
	data      int                                         // the same of the data of FTP that the kernel saw announced
}

// NewSurvey begins with no connection.
func NewSurvey() *Survey {
	return &Survey{Nodes: map[netip.Addr]map[dataplane.Mark]time.Time{}, addresses: map[netip.Addr]map[netip.Addr]bool{}, answered: map[uint16]int{}}
}

// Add takes an open connection. Data connections follow their control connection,
// wherever that is: they say nothing of where the MFD is sent.
func (s *Survey) Add(c dataplane.Connection) {
	if s.addresses[c.Client] == nil {
		s.addresses[c.Client] = map[netip.Addr]bool{}
	}
	s.addresses[c.Client][c.SeenAs] = true
	switch {
	case c.Received == 0:
	case c.Related:
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
	if last, known := nodes[c.Mark]; !known || c.Began.After(last) {
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
