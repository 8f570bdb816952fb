package syslog

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"spoolgate/firmware/api"
	"spoolgate/firmware/report/letter"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 123456789, time.UTC)

func incident(phase api.Phase) letter.Message {
	return letter.Message{Box: "spoolgate-2", Report: api.Report{
		Phase: phase,
		Event: api.Event{Seq: 41, Time: at, Kind: "node.health", Severity: "warning", Group: "print", Node: "B", Text: `B is Down: "5022" [refused]`},
		Incident: &api.Incident{ID: 7, Kind: "node.down", Severity: "alert", Group: "print", Node: "B", Title: "Node B is Down",
			Began: at.Add(-time.Minute), Moved: 61, Times: 1},
	}}
}

func TestMessageIsAsOfRFC5424(t *testing.T) {
	for name, c := range map[string]struct {
		m    letter.Message
		want string
	}{
		"an event": {letter.Message{Box: "spool gate", Report: api.Report{Event: api.Event{Seq: 3, Time: at, Kind: "config.changed", Severity: "info", Text: "a\nb"}}},
			"<30>1 2026-03-02T08:00:00.123456Z spoolgate spoolgate - config.changed " + `[spoolgate@8072.9999.9999.5555 number="3" kind="config.changed"]` + " \ufeffa b"},
		"a begin": {incident(api.Begin), "<28>1 2026-03-02T08:00:00.123456Z spoolgate-2 spoolgate - node.health " +
			`[spoolgate@8072.9999.9999.5555 number="41" kind="node.health" group="print" node="B" phase="begin" incident="7" incidentKind="node.down" incidentSeverity="alert" incidentGroup="print" incidentNode="B" began="2026-03-02T07:59:00Z" moved="61" times="1"]` +
			" \ufeffAlert: Node B is Down. B is Down: \"5022\" [refused]"},
		"nothing known": {letter.Message{}, "<30>1 - - spoolgate - - " + `[spoolgate@8072.9999.9999.5555 number="0"]` + " \ufeff"},
	} {
		if got := format(c.m); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

func TestSeverityIsTheOneOfSyslog(t *testing.T) {
	for severity, want := range map[string]string{"info": "<30>", "notice": "<29>", "warning": "<28>", "alert": "<25>"} {
		m := incident(api.Update)
		m.Event.Severity = severity
		if got := format(m); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", severity, got)
		}
	}
	if got := format(incident(api.Clear)); !strings.HasPrefix(got, "<29>") {
		t.Errorf("the end of an alert is no alert: %s", got)
	}
}

// No text may leave its place in the message, or make it too long for a receiver.
func FuzzFormat(f *testing.F) {
	f.Add("spoolgate", "node.down", `a"]\`, "B\n<0>1 - - -")
	f.Fuzz(func(t *testing.T, box, kind, node, text string) {
		m := incident(api.Begin)
		m.Box, m.Event.Kind, m.Event.Node, m.Event.Text = box, kind, cut(node), strings.Repeat(text, 50)
		got := format(m)
		if strings.ContainsAny(got, "\r\n\x00") || len(got) > 2048+len(cut(node))*2 {
			t.Fatalf("%d bytes: %q", len(got), got)
		}
		if fields := strings.SplitN(got, " ", 7); len(fields) != 7 || !strings.HasPrefix(fields[6], "[spoolgate@") {
			t.Fatalf("%q", got)
		}
		if !utf8.ValidString(got) {
			t.Fatalf("cut within a letter: %q", got)
		}
	})
}

// cut keeps a name as short as the configuration does.
func cut(s string) string { return s[:min(len(s), 63)] }
