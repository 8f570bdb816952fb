package proof

import (
	"net/netip"
	"time"

	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
)

// Survey is what the open connections of a group say of the requirement.
type Survey struct {
	group    config.Group
	Nodes    map[netip.Addr]map[dataplane.Mark]time.Time // by MFD: when its last connection to the node began
	callers  map[netip.Addr]caller
	answered map[uint16]int // connections by port
	data     int            // the same of the data of FTP
}

// NewSurvey begins with no connection.
func NewSurvey(g config.Group) *Survey {
	return &Survey{group: g, Nodes: map[netip.Addr]map[dataplane.Mark]time.Time{}, callers: map[netip.Addr]caller{}, answered: map[uint16]int{}}
}

// Add takes an open connection that its node has answered. Data connections that were
// seen announced follow their control connection, wherever that is: they say nothing of
// where the MFD is sent.
func (s *Survey) Add(open dataplane.Connection) {
	c := Connection{Client: open.Client, SeenAs: open.SeenAs, Port: open.Port, Related: open.Related}
	s.callers[c.Client] = s.callers[c.Client].and(c.caller(&s.group))
	if c.data(&s.group) {
		s.data++
	} else {
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
	if last, known := nodes[open.Mark]; !known || open.Began.After(last) {
		nodes[open.Mark] = open.Began
	}
}
