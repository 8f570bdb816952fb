// Package letter puts a report into words for a print administrator: what is the
// matter, since when, why, what shows it, who is touched, what to do.
package letter

import (
	"fmt"
	"strings"
	"time"

	"spoolgate/firmware/api"
)

// Message is a report and the box that it is of.
type Message struct {
	api.Report
	Box  string // host name
	Test bool   // somebody tries whether it arrives
}

// Fact is one thing to know of a report.
type Fact struct{ Label, Text string }

// Verdict is the first word on a report.
func (m Message) Verdict() string {
	switch m.Phase {
	case api.Clear:
		return "Over"
	case api.Digest:
		return "Comes and goes"
	case api.Update:
		if !m.Raised {
			return "More"
		}
	}
	severity := m.Event.Severity
	if m.Incident != nil {
		severity = m.Incident.Severity
	}
	if severity == "" {
		return "Notice"
	}
	return strings.ToUpper(severity[:1]) + severity[1:]
}

// Title is what is the matter, in one line.
func (m Message) Title() string {
	title := m.Event.Text
	if m.Incident != nil && m.Incident.Title != "" {
		title = m.Incident.Title
	}
	return strings.TrimSuffix(OneLine(title), ".")
}

// longestSubject is in letters: what mail programs and telephones show of one.
const longestSubject = 100

// Subject is the whole in one line, which ends with a word where it does not fit.
func (m Message) Subject() string {
	return Brief(m.Box+": "+m.Verdict()+": "+m.Title(), longestSubject)
}

// Facts are what a person wants to know, in the order of the questions. The first
// says what happened last.
func (m Message) Facts() []Fact {
	facts := []Fact{{"What", m.Event.Text}}
	add := func(label, text string) {
		if text != "" {
			facts = append(facts, Fact{label, text})
		}
	}
	add("Where", m.place())
	i := m.Incident
	if i == nil {
		add("When", stamp(m.Event.Time))
		add("Box", m.Box)
		return facts
	}
	add("Since", stamp(i.Began))
	if !i.Open() {
		add("Until", fmt.Sprintf("%s, after %s", stamp(i.Cleared), span(i.Cleared.Sub(i.Began))))
	}
	add("Cause", i.Cause)
	add("Evidence", strings.Join(i.Evidence, "\n"))
	if i.Times > 1 {
		add("How often", fmt.Sprintf("%d times", i.Times))
	}
	add("MFDs moved", fmt.Sprint(i.Moved))
	if i.Open() {
		add("What to do", i.Do)
	}
	add("Box", m.Box)
	add("Incident", fmt.Sprint(i.ID))
	return facts
}

func (m Message) place() string {
	group, node := m.Event.Group, m.Event.Node
	if m.Incident != nil {
		group, node = m.Incident.Group, m.Incident.Node
	}
	switch {
	case group == "":
		return ""
	case node == "":
		return "group " + group
	}
	return "node " + node + " of group " + group
}

// Text is the whole for people, of lines that a mail program need not break.
func (m Message) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s.\n\n", m.Verdict(), m.Title())
	for _, f := range m.Facts() {
		lines := strings.Split(f.Text, "\n")
		for n, line := range lines {
			label := ""
			if n == 0 {
				label = f.Label
			}
			for k, part := range Wrap(line, 62) {
				if k > 0 {
					label = ""
				}
				fmt.Fprintf(&b, "%-12s%s\n", label, part)
			}
		}
	}
	return b.String()
}

// Wrap breaks a line between words so that each part has at most width letters, a
// longer word its own.
func Wrap(line string, width int) (parts []string) {
	part, letters := "", 0
	for word := range strings.FieldsSeq(line) {
		n := len([]rune(word))
		if letters > 0 && letters+1+n > width {
			parts, part, letters = append(parts, part), "", 0
		}
		if letters > 0 {
			part, letters = part+" ", letters+1
		}
		part, letters = part+word, letters+n
	}
	return append(parts, part)
}

// Brief cuts a text that has more letters than most, after a word unless that is very
// long, and says by three dots that it goes on.
func Brief(text string, most int) string {
	letters := []rune(text)
	if len(letters) <= most {
		return text
	}
	cut := string(letters[:most-3])
	if next := letters[most-3]; next != ' ' && next != '\n' {
		if end := strings.LastIndexAny(cut, " \n"); end > len(cut)/2 {
			cut = cut[:end]
		}
	}
	return strings.TrimRight(cut, " \n,:") + "..."
}

// OneLine has every run of white space and control characters as one blank, so that
// nothing that a message is made of can begin a line, or a header, of its own; and
// what is no UTF-8 as a question mark.
func OneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
}

func stamp(t time.Time) string { return t.Local().Format("Mon 2 Jan 2006 15:04:05 MST") }

// span is a time as people say it: 2h5m, 45s.
func span(d time.Duration) string {
	if d >= time.Hour {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}
