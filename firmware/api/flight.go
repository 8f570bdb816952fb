package api

import "time"

// Flights are the last probes of a node as they were on the wire.
type Flights struct {
	Group string `json:"group"`
	Node  string `json:"node"`
	// Repeats are the SYN-ACKs that the node sent again after our RST, since the
	// balancer started.
	Repeats uint64   `json:"repeats"`
	Flights []Flight `json:"flights"` // oldest first
}

// Flight is one probe as it was on the wire. SYN is when it was sent and SYNACK when
// the kernel took it in; RST and FIN are when they were seen to have left, up to a
// millisecond late. A time that is zero was not seen.
type Flight struct {
	Time       time.Time `json:"time"`              // when it began
	Port       uint16    `json:"port"`              // of the node
	SourcePort uint16    `json:"source_port"`       // of the box; 0 if nothing could leave it
	Outcome    Outcome   `json:"outcome,omitempty"` // empty while it is under way
	Detail     string    `json:"detail,omitempty"`
	SYN        time.Time `json:"syn,omitzero"`     // the first one left
	SYNACK     time.Time `json:"syn_ack,omitzero"` // the first one came
	RST        time.Time `json:"rst,omitzero"`     // the first one of ours left
	FIN        time.Time `json:"fin,omitzero"`     // the same; a probe is to end without one
	Resent     int       `json:"resent,omitempty"` // SYNs that were sent again
	Repeats    int       `json:"repeats,omitempty"`
}
