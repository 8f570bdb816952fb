package api

import "time"

// Proof is the requirement, sentence by sentence, with what this box sees of it now.
type Proof struct {
	Time  time.Time   `json:"time"`
	Items []ProofItem `json:"items"`
}

// ProofItem is one demand of the requirement, for one group where it is a group's.
type ProofItem struct {
	ID       string   `json:"id"`       // of the demand, such as "half-open"; with Group it names the item for good
	Section  string   `json:"section"`  // of the requirement
	Sentence string   `json:"sentence"` // its words
	Group    string   `json:"group,omitempty"`
	Verdict  Verdict  `json:"verdict"`
	Evidence []string `json:"evidence"` // why, and what to do about it unless it passes
}

// Verdict is how a demand fares.
type Verdict string

// The verdicts. A pass always has something that was seen.
const (
	Pass       Verdict = "pass"
	Fail       Verdict = "fail"
	UnseenYet  Verdict = "unseen-yet"  // nothing has shown it yet; evidence says what to do to see it
	UnseenHere Verdict = "unseen-here" // the box, as it is configured, can never see it; evidence says where to look
)

// Words are the verdict as people read it.
func (v Verdict) Words() string {
	switch v {
	case UnseenYet:
		return "can't be seen yet"
	case UnseenHere:
		return "can't be seen from here"
	}
	return string(v)
}
