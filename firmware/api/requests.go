package api

// DrainRequest is the body of POST /v1/groups/{group}/nodes/{node}/drain.
type DrainRequest struct {
	Verb DrainVerb `json:"verb"`
	// Force drains the last node that serves too.
	Force bool `json:"force,omitempty"`
}

// MoveRequest is the body of POST /v1/groups/{group}/clients/{address}/move.
type MoveRequest struct {
	Node string `json:"node"`
}

// Done is the answer to a request that changed something.
type Done struct {
	Text string `json:"text"` // what was done and what follows from it
}
