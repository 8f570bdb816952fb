package api

import "time"

// Proof is the requirement, sentence by sentence, with what this box sees of it now.
type Proof struct {
	Time  time.Time   `json:"time"`
	Items []ProofItem `json:"items"`
}

// ProofItem is one demand of the requirement, for one group where it is a group's.
type ProofItem struct {
	Section  string   `json:"section"`  // of the requirement
	Sentence string   `json:"sentence"` // its words
	Group    string   `json:"group,omitempty"`
	Verdict  Verdict  `json:"verdict"`
	Evidence []string `json:"evidence"` // what was seen, and of a fail what to do
}

// Verdict is how a demand fares.
type Verdict string

// The verdicts.
const (
	Pass   Verdict = "pass"
	Fail   Verdict = "fail"
	Unseen Verdict = "can't be seen from here" // evidence says where to look
)
