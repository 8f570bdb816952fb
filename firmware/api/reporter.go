package api

import "time"

// Reporter is one way in which people are told, and how far it has come.
type Reporter struct {
	Name   string `json:"name"`   // syslog, snmp, mail, webhook
	Target string `json:"target"` // where it goes, in words
	Least  string `json:"least"`  // the severity from which on it is told
	// Unconfirmed says that nobody tells whether a message arrived, as with UDP.
	Unconfirmed bool `json:"unconfirmed,omitempty"`

	Delivered   uint64    `json:"delivered"`              // number of the last report that is done with
	DeliveredAt time.Time `json:"delivered_at,omitzero"`  // when the last one was sent to this target
	TestedAt    time.Time `json:"tested_at,omitzero"`     // when the last test ended, since this run began
	TestStopped *Failure  `json:"test_stopped,omitempty"` // where it ended; nil: it went all the way
	Waiting     int       `json:"waiting"`                // reports that wait to be sent
	Missed      uint64    `json:"missed"`                 // reports that were no longer kept when their turn came
	Refused     uint64    `json:"refused"`                // reports that the other side would not have

	// LeftOut is who did not get the last message or test while others on the same way
	// did, and why; nil when nobody was left out.
	LeftOut *Failure `json:"left_out,omitempty"`

	Trouble *Failure  `json:"trouble,omitempty"` // of the last try; nil when it went well
	Since   time.Time `json:"since,omitzero"`    // of the trouble
	Tries   int       `json:"tries"`             // that failed in a row
	NextTry time.Time `json:"next_try,omitzero"` // when it is tried again
}

// Failure is where the way of a message ended, and why.
type Failure struct {
	Stage Stage  `json:"stage"`
	What  string `json:"error"`
	Do    string `json:"do"`
	// Lasting is what trying again does not mend: the other side has understood
	// this message and does not want it.
	Lasting bool `json:"lasting,omitempty"`
}

func (f *Failure) Error() string { return string(f.Stage) + ": " + f.What + ". " + f.Do }

// Stage is a part of the way of a message.
type Stage string

// The stages, in their order; no way has all of them.
const (
	StagePassword  Stage = "password"  // it can be opened with the key of the box
	StageDNS       Stage = "DNS"       // the name has an address
	StageConnect   Stage = "connect"   // somebody answers there
	StageTLS       Stage = "TLS"       // it is who it should be
	StageLogin     Stage = "login"     // we are let in
	StageRecipient Stage = "recipient" // the one behind it is known
	StageMessage   Stage = "message"   // it is taken
)

// Step is a stage that a test passed.
type Step struct {
	Stage Stage  `json:"stage"`
	Text  string `json:"text"` // what was found there
}

// ReportTest is what became of a test message.
type ReportTest struct {
	Reporter string   `json:"reporter"`
	Steps    []Step   `json:"steps"`             // passed, in their order
	Stopped  *Failure `json:"stopped,omitempty"` // nil: it went all the way
}
