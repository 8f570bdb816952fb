package api

import "time"

// Mistake is a mistake of the installation that the box sees in the connections of
// MFDs. It stays until the box sees that it is over.
type Mistake struct {
	Kind  string    `json:"kind"`           // of its event, such as "node.port"; see package event
	Node  string    `json:"node,omitempty"` // empty when it is about the whole group
	Text  string    `json:"text"`           // what is wrong, why, and what to do
	Since time.Time `json:"since"`
}
