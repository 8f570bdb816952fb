package supervise

import (
	"strings"
	"testing"
	"time"
)

func TestMessageIsReadAsSystemdReadsIt(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   func(Message) bool
	}{
		{"READY=1", func(m Message) bool { return m.Ready && !m.Alive }},
		{"READY=0", func(m Message) bool { return !m.Ready }},
		{"STATUS=3 of 5 up\nWATCHDOG=1\n", func(m Message) bool { return *m.Status == "3 of 5 up" && m.Alive }},
		{"STATUS=", func(m Message) bool { return m.Status != nil && *m.Status == "" }},
		{"STATUS=a=b", func(m Message) bool { return *m.Status == "a=b" }},
		{"WATCHDOG=trigger", func(m Message) bool { return m.Trigger && !m.Alive }},
		{"WATCHDOG_USEC=5000000", func(m Message) bool { return *m.WatchdogInterval == 5*time.Second }},
		{"WATCHDOG_USEC=0", func(m Message) bool { return *m.WatchdogInterval == 0 }},
		{"WATCHDOG_USEC=10", func(m Message) bool { return m.WatchdogInterval == nil }},
		{"WATCHDOG_USEC=soon", func(m Message) bool { return m.WatchdogInterval == nil }},
		{"EXTEND_TIMEOUT_USEC=18446744073709551615", func(m Message) bool { return m.Extend == maxExtend }},
		{"X_SPOOLGATE_ASK=factory-reset", func(m Message) bool { return m.Ask == "factory-reset" }},
		{"X_SPOOLGATE_ASK=" + strings.Repeat("x", 5000), func(m Message) bool { return len(m.Ask) == maxAsk }},
		{"STOPPING=1", func(m Message) bool { return m.Stopping }},
		{"RELOADING=1\nMONOTONIC_USEC=12", func(m Message) bool { return m.Reloading }},
		{"FDSTORE=1\nFDNAME=table", func(m Message) bool { return m.Store && m.FDName == "table" }},
		{"FDSTORE=1", func(m Message) bool { return m.Store && m.FDName == "stored" }},
		{"FDSTORE=1\nFDNAME=a:b", func(m Message) bool { return m.FDName == "stored" }},
		{"FDSTOREREMOVE=1\nFDNAME=table", func(m Message) bool { return m.Remove && m.FDName == "table" }},
		{"BARRIER=1", func(m Message) bool { return m.Barrier }},
		{"STATUS=" + strings.Repeat("x", 5000), func(m Message) bool { return len(*m.Status) == maxStatus }},
		{"STATUS=\xff\xfeok", func(m Message) bool { return *m.Status == "ok" }},
		{"X_OTHER=1\n\n=\nnonsense", func(m Message) bool { return m == Message{FDName: "stored"} }},
	} {
		if m := ParseMessage([]byte(c.text)); !c.ok(m) {
			t.Errorf("%.60q was read as %+v", c.text, m)
		}
	}
}
