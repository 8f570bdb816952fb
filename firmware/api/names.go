package api

import (
	"net/netip"
	"time"
)

// Names is what the site's name servers say of the box's groups and nodes.
type Names struct {
	Looked  time.Time    `json:"looked,omitzero"` // last
	Checks  []NameCheck  `json:"checks"`
	Servers []NameServer `json:"servers"` // that were asked
}

// NameServer is one of the site's.
type NameServer struct {
	Address netip.Addr `json:"address"`
	Wrong   string     `json:"wrong,omitempty"` // why it does not answer; empty when it does
}

// NameCheck is one name and one address that should stand for each other.
type NameCheck struct {
	Group   string     `json:"group,omitempty"`
	Node    string     `json:"node,omitempty"` // empty for a group's virtual address
	Name    string     `json:"name,omitempty"` // as configured; empty when none is
	Address netip.Addr `json:"address"`

	Since    time.Time    `json:"since,omitzero"`     // the answers have been the same
	Resolver string       `json:"resolver,omitempty"` // that says so
	Forward  []netip.Addr `json:"forward"`            // addresses of the name
	Reverse  []string     `json:"reverse"`            // names of the address

	// What is wrong, and what to do; empty when it is right.
	ForwardWrong  string `json:"forward_wrong,omitempty"`
	ReverseWrong  string `json:"reverse_wrong,omitempty"`
	ResolverWrong string `json:"resolver_wrong,omitempty"` // nobody answered: nothing is known
}

// NameVerdict is whether name and address stand for each other.
type NameVerdict string

// The verdicts on a name.
const (
	NameRight   NameVerdict = "ok"
	NameWrong   NameVerdict = "wrong"
	NameUnknown NameVerdict = "unknown" // no name server says
	NameUnnamed NameVerdict = "no name" // the address has none, and none is configured
)

// Verdict sums the check up.
func (c NameCheck) Verdict() NameVerdict {
	switch {
	case c.ResolverWrong != "":
		return NameUnknown
	case c.ForwardWrong != "" || c.ReverseWrong != "":
		return NameWrong
	case c.Name == "" && len(c.Reverse) == 0:
		return NameUnnamed
	}
	return NameRight
}
