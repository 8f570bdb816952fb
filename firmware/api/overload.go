package api

import "time"

// Overload is that more is asked of the box, or of a group, than it has room for. It
// is over half a minute after it was last seen.
type Overload struct {
	Kind  string    `json:"kind"`            // of its event, such as "client.limit"; see package event
	Group string    `json:"group,omitempty"` // empty when it is the whole box's
	Text  string    `json:"text"`            // what happens, what it means, and what to do
	Since time.Time `json:"since"`
}

// Room is how much of its bounds the box has used.
type Room struct {
	// Connections that the kernel tracks, closed ones of the last seconds included.
	Connections     int `json:"connections"`
	MostConnections int `json:"most_connections"` // 0 as long as the kernel was not asked
	Bindings        int `json:"bindings"`         // bound MFDs of all groups
	MostBindings    int `json:"most_bindings"`
}
