package api

// Error is what a daemon answers when it can't do what it was asked: what is
// wrong and what to do. Its JSON goes with a status of 400 and above.
type Error struct {
	Status int    `json:"status"` // as of HTTP: 400 asked wrongly, 404 no such thing, 409 not now, 500 our fault
	What   string `json:"error"`
	Do     string `json:"do,omitempty"`
}

func (e *Error) Error() string {
	if e.Do == "" {
		return e.What
	}
	return e.What + ". " + e.Do
}
