package letter

import (
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

var began = time.Date(2026, 3, 2, 8, 0, 0, 0, time.Local)

func message(phase api.Phase) Message {
	m := Message{Box: "spoolgate-2", Report: api.Report{
		Phase: phase,
		Event: api.Event{Seq: 41, Time: began, Kind: "node.health", Severity: "warning", Group: "print", Node: "B", Text: "B is Down: port 5022 refused the connection 3 times in a row"},
		Incident: &api.Incident{ID: 7, Kind: "node.down", Severity: "alert", Group: "print", Node: "B", Title: "Node B of group print is Down.",
			Cause:    "port 5022 (TS service) refuses connections, port 5555 still answers",
			Evidence: []string{"08:00:00 5022 refused", "08:00:05 5022 refused"}, Do: "Look at the Terminal Server service on 192.0.2.12.",
			Began: began, Updated: began, Moved: 61, Times: 1},
	}}
	return m
}

func TestMailIsWhatAPrintAdministratorAsks(t *testing.T) {
	at := began.Format("Mon 2 Jan 2006 15:04:05 MST")
	want := `Alert: Node B of group print is Down.

What        B is Down: port 5022 refused the connection 3 times in a row
Where       node B of group print
Since       ` + at + `
Cause       port 5022 (TS service) refuses connections, port 5555 still
            answers
Evidence    08:00:00 5022 refused
            08:00:05 5022 refused
MFDs moved  61
What to do  Look at the Terminal Server service on 192.0.2.12.
Box         spoolgate-2
Incident    7
`
	if got := message(api.Begin).Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSubjectHasTheVerdictFirst(t *testing.T) {
	for phase, want := range map[api.Phase]string{
		api.Begin:  "spoolgate-2: Alert: Node B of group print is Down",
		api.Update: "spoolgate-2: More: Node B of group print is Down",
		api.Digest: "spoolgate-2: Comes and goes: Node B of group print is Down",
		api.Clear:  "spoolgate-2: Over: Node B of group print is Down",
	} {
		if got := message(phase).Subject(); got != want {
			t.Errorf("%s: %q, want %q", phase, got, want)
		}
	}
	graver := message(api.Update)
	graver.Raised = true
	if got := graver.Subject(); got != "spoolgate-2: Alert: Node B of group print is Down" {
		t.Errorf("%q", got)
	}
	plain := Message{Box: "b", Report: api.Report{Event: api.Event{Severity: "notice", Text: "The configuration\r\nBcc: all@example.com changed"}}}
	if got := plain.Subject(); got != "b: Notice: The configuration Bcc: all@example.com changed" {
		t.Errorf("%q", got)
	}
}

func TestSubjectThatIsTooLongEndsWithAWord(t *testing.T) {
	m := Message{Box: "spoolgate-2", Report: api.Report{Event: api.Event{Severity: "warning",
		Text: "MFD 192.0.2.77 uses 192.0.2.11, node A's own address, instead of the virtual address 192.0.2.10 (last on port 5011): what it sends there fails"}}}
	if got := m.Subject(); got != "spoolgate-2: Warning: MFD 192.0.2.77 uses 192.0.2.11, node A's own address, instead of the..." || len(got) > longestSubject {
		t.Errorf("%d letters: %s", len(got), got)
	}
	for text, want := range map[string]string{
		"a b":           "a b",
		"0123456789":    "0123456789",
		"01234567890":   "0123456...",
		"0123456 890":   "0123456...",
		"012345, 7890":  "012345...",
		"01 2345678901": "01 2345...",
		"über da allem": "über da...",
	} {
		if got := Brief(text, 10); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestEndSaysHowLongItTookAndNotWhatToDo(t *testing.T) {
	m := message(api.Clear)
	m.Incident.Cleared, m.Incident.Times = began.Add(125*time.Minute+3*time.Second), 4
	text := m.Text()
	for _, want := range []string{"Over: Node B", "after 2h5m", "How often   4 times"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "What to do") {
		t.Errorf("there is something to do:\n%s", text)
	}
}

func TestEventOfNoIncidentHasItsTime(t *testing.T) {
	m := Message{Box: "b", Report: api.Report{Event: api.Event{Time: began, Text: "a", Group: "print"}}}
	if got := m.Text(); got != "Notice: a.\n\nWhat        a\nWhere       group print\nWhen        "+began.Format("Mon 2 Jan 2006 15:04:05 MST")+"\nBox         b\n" {
		t.Errorf("%s", got)
	}
}
