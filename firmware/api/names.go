package api

import (
	"net/netip"
	"time"
)

// Names is what the site's name servers say of the box's groups and nodes.
type Names struct {
	Looked time.Time   `json:"looked,omitzero"` // last
	Checks []NameCheck `json:"checks"`
}

// NameCheck is one name and one address that should stand for each other.
type NameCheck struct {
	Group   string     `json:"group,omitempty"`
	Node    string     `json:"node,omitempty"` // empty for a group's virtual address
	Name    string     `json:"name,omitempty"` // as configured; empty when none is
	Address netip.Addr `json:"address"`

	Resolver string       `json:"resolver,omitempty"` // that answered
	Forward  []netip.Addr `json:"forward"`            // addresses of the name
	Reverse  []string     `json:"reverse"`            // names of the address

	// What is wrong, and what to do; empty when it is right.
	ForwardWrong  string `json:"forward_wrong,omitempty"`
	ReverseWrong  string `json:"reverse_wrong,omitempty"`
	ResolverWrong string `json:"resolver_wrong,omitempty"` // nobody answered: nothing is known
}
