package syslog

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/mib"
)

// facility is daemon, "system daemons" (RFC 5424, 6.2.1).
const facility = 3

// longest is how much text a message has, in bytes: RFC 5426, 3.2 has every receiver
// take 2048 in all.
const longest = 1400

// format writes a message as of RFC 5424, 6.
func format(m letter.Message) string {
	// Two digits more than RFC 3339 needs, and no more than six (6.2.3.1).
	at := m.Event.Time.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	if m.Event.Time.IsZero() {
		at = "-"
	}
	return fmt.Sprintf("<%d>1 %s %s spoolgate - %s %s \ufeff%s", facility*8+severity(m), at, word(m.Box, 255), word(m.Event.Kind, 32), data(m), text(m))
}

// severity is the number of RFC 5424, 6.2.1. A trouble that is over is a notice.
func severity(m letter.Message) int {
	if m.Phase == api.Clear {
		return 5
	}
	switch m.Event.Severity {
	case event.Alert:
		return 1
	case event.Warning:
		return 4
	case event.Notice:
		return 5
	}
	return 6
}

func text(m letter.Message) string {
	t := letter.OneLine(m.Event.Text)
	if m.Phase == api.Begin || m.Phase == api.Digest || m.Phase == api.Clear {
		t = m.Verdict() + ": " + m.Title() + ". " + t
	}
	if len(t) <= longest {
		return t
	}
	end := longest
	for !utf8.RuneStart(t[end]) {
		end--
	}
	return t[:end] + "..."
}

// data is the structured data (RFC 5424, 6.3) for whoever sorts messages by program.
func data(m letter.Message) string {
	var b strings.Builder
	param := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, ` %s="%s"`, name, strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(letter.OneLine(value)))
		}
	}
	param("number", fmt.Sprint(m.Event.Seq))
	param("kind", m.Event.Kind)
	param("group", m.Event.Group)
	param("node", m.Event.Node)
	if i := m.Incident; i != nil {
		param("phase", string(m.Phase))
		param("incident", fmt.Sprint(i.ID))
		param("incidentKind", i.Kind)
		param("incidentSeverity", i.Severity)
		param("incidentGroup", i.Group)
		param("incidentNode", i.Node)
		param("began", i.Began.UTC().Format(time.RFC3339))
		param("moved", fmt.Sprint(i.Moved))
		param("times", fmt.Sprint(i.Times))
	}
	return "[spoolgate@" + mib.Enterprise + b.String() + "]"
}

// word is a header field: printable, without blanks, never empty.
func word(s string, longest int) string {
	s = strings.Map(func(r rune) rune {
		if r < '!' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), longest)]
}
