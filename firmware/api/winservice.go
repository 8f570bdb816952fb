package api

import "time"

// WindowsState is what a node's Service Control Manager says of a service, or
// why it says nothing.
type WindowsState string

// What the Service Control Manager says; the names are those of Windows.
const (
	WindowsRunning         WindowsState = "running"
	WindowsStopped         WindowsState = "stopped"
	WindowsStartPending    WindowsState = "start pending"
	WindowsStopPending     WindowsState = "stop pending"
	WindowsPaused          WindowsState = "paused"
	WindowsPausePending    WindowsState = "pause pending"
	WindowsContinuePending WindowsState = "continue pending"
	WindowsUnknown         WindowsState = "unknown service" // the node has no service of that name
)

// Why nothing is known of a service.
const (
	WindowsNotAsked       WindowsState = "not asked yet"
	WindowsAccessDenied   WindowsState = "access denied"    // the account may not ask
	WindowsWrongPassword  WindowsState = "wrong password"   // or there is no such account
	WindowsSealedPassword WindowsState = "sealed password"  // this box can't read the password in the configuration
	WindowsHostDown       WindowsState = "host down"        // no machine answers for the address
	WindowsUnreachable    WindowsState = "unreachable"      // an ICMP error came
	WindowsRefused        WindowsState = "refused"          // nothing listens on port 445
	WindowsTimedOut       WindowsState = "timed out"        // no answer
	WindowsNoRoute        WindowsState = "no route"         // the box has no way to the node
	WindowsInsecure       WindowsState = "security refused" // no agreement on signing or encryption
	WindowsProtocolError  WindowsState = "protocol error"   // an answer that makes no sense, or none any more
)

// WindowsAnswer is one answer about one service.
type WindowsAnswer struct {
	Name   string       `json:"name"`
	State  WindowsState `json:"state"`
	Detail string       `json:"detail,omitempty"` // such as the code of an error
}

// WindowsService is one watched Windows service of a node.
type WindowsService struct {
	Name   string       `json:"name"`
	State  WindowsState `json:"state"`
	Detail string       `json:"detail,omitempty"`
	Since  time.Time    `json:"since,omitzero"` // the state is this one
	Last   time.Time    `json:"last,omitzero"`  // asked
	Misses int          `json:"misses"`         // consecutive answers that were none
	Counts bool         `json:"counts"`         // for the node's health; not while its state could never be read
}

// FoundService is a service that a node has.
type FoundService struct {
	Name    string       `json:"name"`
	Display string       `json:"display"` // its name as Windows shows it to people
	State   WindowsState `json:"state"`
	Watched bool         `json:"watched"` // stands in the configuration
}
