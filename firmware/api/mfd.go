package api

import (
	"net/netip"
	"time"
)

// MFD is everything that is known of one MFD, for who is asked why it does not
// print. One that no group has bound has no Bound; what it did before may be known.
type MFD struct {
	Address   netip.Addr       `json:"address"`
	Bound     []BoundMFD       `json:"bound"` // one for each group that it calls
	Open      []OpenConnection `json:"open"`
	Transfers []Transfer       `json:"transfers"` // the last ones, newest first
	Moves     []Moved          `json:"moves"`     // newest first
}

// BoundMFD is where a group has bound an MFD.
type BoundMFD struct {
	BoundClient
	VirtualAddress netip.Addr `json:"virtual_address"`
	// SeenAs is the address under which the nodes see this MFD.
	SeenAs netip.Addr `json:"seen_as"`
	// NodeState says whether its node serves it.
	NodeState string `json:"node_state"`
}

// OpenConnection is a connection that is open now.
type OpenConnection struct {
	Group    string     `json:"group"`
	Node     string     `json:"node"`
	Port     uint16     `json:"port"`
	Data     bool       `json:"data"`             // an FTP data connection
	Since    time.Time  `json:"since"`            // by the box's clock
	Sent     uint64     `json:"sent_bytes"`       // by the MFD, headers included
	Received uint64     `json:"received_bytes"`   // by the MFD, headers included
	SeenAs   netip.Addr `json:"seen_as,omitzero"` // by the node
}

// Transfer is a connection that carried a file and ended: an FTP data connection,
// or another one of 64 KiB and more.
type Transfer struct {
	OpenConnection
	Ended time.Time `json:"ended"`
}

// Moved is a change of an MFD's node.
type Moved struct {
	Time  time.Time `json:"time"`
	Group string    `json:"group"`
	From  string    `json:"from,omitempty"`
	To    string    `json:"to,omitempty"` // empty when it was forgotten
	Why   string    `json:"why"`
}

// Moves is which MFDs changed nodes at once. It is for the medium, so that what is known
// of each of them outlasts a restart.
type Moves struct {
	MFDs  []netip.Addr `json:"mfds"`
	From  string       `json:"from,omitempty"`
	Cause string       `json:"cause"` // see package balance
}

// Rehearsal is what would follow if a node left now.
type Rehearsal struct {
	Group string         `json:"group"`
	Node  string         `json:"node"`
	Moves int            `json:"moves"` // MFDs that would be bound to another node
	Cut   int            `json:"cut"`   // open connections that would be reset
	Holds map[string]int `json:"holds"` // MFDs that each other node would have then
	Text  string         `json:"text"`
}
