package api

import "time"

// Start is a start of a node that was measured.
type Start struct {
	At   time.Time `json:"at"`   // first sign of life
	Took Duration  `json:"took"` // from there to steady answers of all ports
}
