// Package api has the types that the daemons say to each other and to people.
package api

import (
	"net/netip"
	"time"
)

// Health is what the probes say of a node.
type Health string

// The health of a node, in the words of UI, panel, alerts, API and log.
const (
	Up       Health = "Up"
	Checking Health = "Checking" // was Up, misses probes, not yet Down
	Starting Health = "Starting" // answers, and waits for the end of its up-delay
	Down     Health = "Down"
	Unknown  Health = "Unknown" // not probed yet
)

// Service is what the operator wants of a node.
type Service string

// The service of a node.
const (
	InService    Service = "In service"
	Draining     Service = "Draining"
	OutOfService Service = "Out of service"
)

// BoxState is the verdict on the whole box.
type BoxState string

// The states of the box.
const (
	OK             BoxState = "OK"
	NoSpare        BoxState = "No spare"
	NothingServing BoxState = "Nothing serving"
	Standby        BoxState = "Standby"
	Updating       BoxState = "Updating"
)

// Snapshot is the whole state at one moment. Regions of it never contradict
// each other.
type Snapshot struct {
	// Version grows by one with each change of the snapshot.
	Version uint64    `json:"version"`
	Time    time.Time `json:"time"`
	Box     Box       `json:"box"`
	Groups  []Group   `json:"groups"`
	Room    Room      `json:"room"`
	// Overload is what is asked of the box beyond its bounds now, the oldest first.
	Overload []Overload `json:"overload,omitempty"`
	// Incidents are those that last, the gravest first.
	Incidents []Incident `json:"incidents,omitempty"`
}

// Box is the box as a whole.
type Box struct {
	State    BoxState  `json:"state"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	Hostname string    `json:"hostname"`
	// Suspicion says why the box thinks that it is the one in trouble, when
	// every probe of every node fails at once; empty otherwise.
	Suspicion string `json:"suspicion,omitempty"`
	// Unused says what is wrong with the configuration that was written, when it
	// is not the one in use; empty otherwise.
	Unused string `json:"unused,omitempty"`
}

// Group is one Spooler Controller Group.
type Group struct {
	Name           string     `json:"name"`
	VirtualAddress netip.Addr `json:"virtual_address"`
	Mode           string     `json:"mode"`
	Affinity       Duration   `json:"affinity"`
	UpDelay        Duration   `json:"up_delay"`
	Ports          []string   `json:"ports"`
	State          BoxState   `json:"state"`
	Reason         string     `json:"reason"`
	Since          time.Time  `json:"since"`
	// BoundOnly says of a group that is Nothing serving that the MFDs that are bound
	// go on, as their nodes are drained gently: new ones are refused.
	BoundOnly   bool      `json:"bound_only,omitempty"`
	Clients     int       `json:"clients"`     // bound MFDs
	Connections int       `json:"connections"` // open
	Nodes       []Node    `json:"nodes"`
	Mistakes    []Mistake `json:"mistakes,omitempty"` // that are there now, the oldest first
}

// Node is one server of a group.
type Node struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	Weight  int        `json:"weight"`

	Health       Health    `json:"health"`
	HealthReason string    `json:"health_reason"`
	HealthSince  time.Time `json:"health_since"`
	// UpAt is when a Starting node will be Up if nothing fails; zero otherwise.
	UpAt time.Time `json:"up_at,omitzero"`

	Service       Service   `json:"service"`
	ServiceReason string    `json:"service_reason"`
	ServiceSince  time.Time `json:"service_since"`

	Serving     bool   `json:"serving"`     // new clients may be dealt to it
	Clients     int    `json:"clients"`     // bound MFDs
	Connections int    `json:"connections"` // open
	Dealt       uint64 `json:"dealt"`       // first contacts since start
	Ports       []Port `json:"ports"`
	// Repeats are the SYN-ACKs that it sent again after the RST of a probe, since
	// the balancer started.
	Repeats uint64 `json:"repeats"`

	// Starts that were measured, oldest first; at most ten.
	Starts []Start `json:"starts,omitempty"`
	// UpDelayAdvice is what they say of the up-delay, a sentence without its full
	// stop; empty as long as they are too few to say anything.
	UpDelayAdvice string `json:"up_delay_advice,omitempty"`
	// Services are the watched Windows services; empty when none is.
	Services []WindowsService `json:"services,omitempty"`
}

// Port is one probed port of a node.
type Port struct {
	Port    uint16    `json:"port"`
	Outcome Outcome   `json:"outcome"` // of the last probe
	Misses  int       `json:"misses"`  // consecutive
	Last    time.Time `json:"last,omitzero"`
	RTT     Duration  `json:"rtt"`
}

// Outcome is how a half-open probe ended.
type Outcome string

// The outcomes of a probe.
const (
	Open        Outcome = "open"        // SYN-ACK came, RST went
	Refused     Outcome = "refused"     // RST came
	Unreachable Outcome = "unreachable" // an ICMP error came
	Absent      Outcome = "absent"      // no machine answers for the address on the network
	TimedOut    Outcome = "timed out"   // nothing came
	NoRoute     Outcome = "no route"    // the box has no way to the node
	Failed      Outcome = "failed"      // the box itself could not probe
)

// Probe is one probe that was made.
type Probe struct {
	Time    time.Time `json:"time"`
	Outcome Outcome   `json:"outcome"`
	RTT     Duration  `json:"rtt"`              // SYN to SYN-ACK, 0 when none came
	Detail  string    `json:"detail,omitempty"` // such as the kind of ICMP error
	// SourcePort of the box; 0 when nothing left it. It tells which packets of a
	// capture are this probe's.
	SourcePort uint16 `json:"source_port,omitempty"`
}

// PortProbes are the last probes of one port, oldest first.
type PortProbes struct {
	Group  string  `json:"group"`
	Node   string  `json:"node"`
	Port   uint16  `json:"port"`
	Probes []Probe `json:"probes"`
}

// BoundClient is one bound MFD.
type BoundClient struct {
	Group       string     `json:"group"`
	Address     netip.Addr `json:"address"`
	Node        string     `json:"node"`
	Why         string     `json:"why"`               // why this node
	Since       time.Time  `json:"since"`             // bound to this node since
	Earlier     bool       `json:"earlier,omitempty"` // or since earlier: when is not known after a restart
	Left        Duration   `json:"left"`              // of the window; the whole window while connections are open
	Connections int        `json:"connections"`       // open
}

// Event is something that happened.
type Event struct {
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"`     // such as "node.down"; see package event
	Severity string    `json:"severity"` // info, notice, warning, alert
	Group    string    `json:"group,omitempty"`
	Node     string    `json:"node,omitempty"`
	// Program is the program of the box that it happened to.
	Program string `json:"program,omitempty"`
	// State is what the thing is now, for events of a changed state: a Health, a
	// Service or a BoxState.
	State string `json:"state,omitempty"`
	// Since is since when it is in that state, where the event may tell it again: a
	// restart of the balancer is no change of a node.
	Since time.Time `json:"since,omitzero"`
	// From is the node that MFDs left, or whose connections were cut, because it did
	// not serve, and not because somebody had ordered it out.
	From string `json:"from,omitempty"`
	// Count is how many MFDs moved, connections were cut, or times a program was
	// restarted since the box started.
	Count int `json:"count,omitempty"`
	// Evidence is what was seen that says so.
	Evidence []string `json:"evidence,omitempty"`
	Text     string   `json:"text"` // what happened, why, and what to do
	// About are the ports or addresses that a mistake of the installation is about.
	About []string `json:"about,omitempty"`
	// Once says of a trouble that no event will tell its end: it is over when it
	// has not happened again for a while.
	Once bool `json:"once,omitempty"`
	// Moves are the MFDs that it is about, on the medium only: an answer that lists
	// events does not list them.
	Moves *Moves `json:"moves,omitempty"`
	// Incident is the trouble that the event belongs to; 0 for none.
	Incident uint64 `json:"incident,omitempty"`
}

// DrainVerb is how a node leaves service.
type DrainVerb string

// The three ways to drain a node.
const (
	DrainGently DrainVerb = "gently" // bound MFDs stay until their window ends
	MoveNow     DrainVerb = "move"   // bindings are forgotten, open connections finish
	StopNow     DrainVerb = "stop"   // bindings are forgotten, open connections are cut
)
