package api

import "time"

// Report is one kept event with the incident that it belongs to, as the incident
// stood after it. Reports are numbered by Event.Seq, over restarts too, and are
// what every reporter (syslog, SNMP, mail, webhook) works from.
type Report struct {
	Event    Event     `json:"event"`
	Incident *Incident `json:"incident,omitempty"` // nil for an event that is no trouble
	Phase    Phase     `json:"phase,omitempty"`    // what the event did to the incident
	// Raised says that the incident is graver than before. Who was told of its
	// beginning wants to know: nobody can print any more, say.
	Raised bool `json:"raised,omitempty"`
}

// Phase is a step in the life of an incident.
type Phase string

// The phases of an incident. A person who wants few messages reads Begin, Digest
// and Clear.
const (
	Begin  Phase = "begin"
	Update Phase = "update" // more of the same trouble: another symptom, MFDs moved
	Digest Phase = "digest" // trouble that comes and goes, summed up: sent in place of its many begins and clears
	Clear  Phase = "clear"
)

// Incident is one trouble from its beginning to its end, however many events it
// makes.
type Incident struct {
	ID       uint64    `json:"id"`
	Kind     string    `json:"kind"` // such as "node.down"; see package event
	Severity string    `json:"severity"`
	Group    string    `json:"group,omitempty"`
	Node     string    `json:"node,omitempty"`
	Program  string    `json:"program,omitempty"`  // of the box
	Title    string    `json:"title"`              // one sentence: what is the matter
	Cause    string    `json:"cause"`              // why, as far as it is known
	Evidence []string  `json:"evidence,omitempty"` // what was seen that says so, oldest first
	Do       string    `json:"do,omitempty"`       // what a person can do
	Began    time.Time `json:"began"`
	Updated  time.Time `json:"updated"`
	Cleared  time.Time `json:"cleared,omitzero"` // zero while it lasts
	Moved    int       `json:"moved"`            // MFDs that changed nodes because of it
	Times    int       `json:"times"`            // how often it came, for trouble that comes and goes
	// ComesAndGoes says that it was told to be over and came back, or came often: it
	// is over when it has stayed away for a while.
	ComesAndGoes bool `json:"comesAndGoes,omitempty"`
	// Away is since when the trouble itself is away, while the incident lasts on: it
	// may come back, or what followed from it is not over. Zero while it is there.
	Away time.Time `json:"away,omitzero"`
}

// Open reports whether the incident lasts.
func (i Incident) Open() bool { return i.Cleared.IsZero() }
