package proof

import (
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
)

// Sightings are what was seen of a group's MFDs and nodes since a moment. They are
// kept in memory only: a proof is of what this run of the balancer has seen.
type Sightings struct {
	Since   time.Time
	ports   map[uint16]*landing          // that MFDs asked for
	data    landing                      // data connections of FTP
	callers map[netip.Addr]caller        // by connections that are over
	past    sessions                     // of MFDs whose windows are over
	falls   map[netip.Addr]Fall          // the last one of each node
	began   map[netip.Addr]time.Time     // Starting, of the nodes that are
	waited  map[netip.Addr]time.Duration // Starting, the last time before Up

	moved, faults int // MFDs that changed nodes: for a known reason, for none
	dealt, amiss  int // first contacts: all, to a node that was not the one with the fewest
	lookUps       int // that renewed a window
}

// landing is what became of connections to one port.
type landing struct {
	opened, answered uint64
	missed           int       // in a row, since the last answer
	last             time.Time // answer
}

// Fall is a node that went Down by its ports.
type Fall struct {
	At         time.Time
	Port       uint16
	Misses     int // in a row
	Configured int // misses, then
}

// NewSightings begins with nothing seen.
func NewSightings(now time.Time) *Sightings {
	return &Sightings{Since: now, ports: map[uint16]*landing{}, callers: map[netip.Addr]caller{}, falls: map[netip.Addr]Fall{},
		began: map[netip.Addr]time.Time{}, waited: map[netip.Addr]time.Duration{}}
}

// at is where connections like one are counted.
func (s *Sightings) at(g *config.Group, c Connection) *landing {
	if c.data(g) {
		return &s.data
	}
	l := s.ports[c.Port]
	if l == nil {
		l = &landing{}
		s.ports[c.Port] = l
	}
	return l
}

// Opened takes a connection that the kernel sent to a node.
func (s *Sightings) Opened(g *config.Group, c Connection) { s.at(g, c).opened++ }

// Answered takes the end of a connection that the node had answered.
func (s *Sightings) Answered(g *config.Group, c Connection, now time.Time) {
	l := s.at(g, c)
	l.answered++
	l.last, l.missed = now, 0
	s.callers[c.Client] = s.callers[c.Client].and(c.caller(g))
}

// Unanswered takes the end of a connection that the node had not answered.
func (s *Sightings) Unanswered(g *config.Group, c Connection) { s.at(g, c).missed++ }

// Dealt takes a first contact, and whether it went to the node with the fewest.
func (s *Sightings) Dealt(fewest bool) {
	s.dealt++
	if !fewest {
		s.amiss++
	}
}

// Moved takes an MFD that changed nodes, and whether there was a reason.
func (s *Sightings) Moved(reason bool) {
	if reason {
		s.moved++
	} else {
		s.faults++
	}
}

// LookedUp takes look-ups that renewed the windows of MFDs.
func (s *Sightings) LookedUp(n int) { s.lookUps += n }

// End ends the sessions of MFDs whose windows are over. What they showed stays; what
// follows is another session, for which the requirement lets the address be another.
func (s *Sightings) End(over func(netip.Addr) bool) {
	for a, c := range s.callers {
		if over(a) {
			s.past.add(c)
			delete(s.callers, a)
		}
	}
}

// Change is a change of a node's health.
type Change struct {
	Node     netip.Addr
	Was, Is  api.Health
	Ports    []api.Port // of the last probes
	Misses   int        // configured
	Services bool       // are watched, too, and may have made the node Down by themselves
	At       time.Time
}

// Health takes a change of a node's health.
func (s *Sightings) Health(c Change) {
	if c.Is == api.Starting {
		s.began[c.Node] = c.At
	} else {
		if since, starting := s.began[c.Node]; starting && c.Was == api.Starting && c.Is == api.Up {
			s.waited[c.Node] = c.At.Sub(since)
		}
		delete(s.began, c.Node)
	}
	if c.Is != api.Down || c.Was != api.Up && c.Was != api.Checking {
		return
	}
	worst := Fall{At: c.At, Configured: c.Misses}
	for _, p := range c.Ports {
		if p.Misses > worst.Misses {
			worst.Port, worst.Misses = p.Port, p.Misses
		}
	}
	if worst.Misses > 0 && (worst.Misses >= c.Misses || !c.Services) {
		s.falls[c.Node] = worst
	}
}
