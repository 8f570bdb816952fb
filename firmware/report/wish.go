package report

import (
	"slices"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/event"
)

// Kinds of reports that are made here and not in the journal.
const (
	kindMissed = "report.missed" // reports were no longer kept when their turn came
	kindTest   = "report.test"   // somebody tests the reporter
)

// wish is what a receiver wants to hear.
type wish struct {
	least config.Least
	// steps are all that happens; without, each incident is told when it becomes
	// bad enough and when it becomes graver, summed up when it comes and goes, and
	// told to be over.
	steps bool
}

// wants reports whether a report is sent. told says of which incidents the receiver
// knows.
func (w wish) wants(r api.Report, told func(id uint64) bool) bool {
	if rank(r.Event.Severity) < rank(string(w.least)) && (r.Incident == nil || rank(r.Incident.Severity) < rank(string(w.least))) {
		return false
	}
	if w.steps || r.Incident == nil {
		return true
	}
	switch r.Phase {
	case api.Update:
		return r.Raised || !told(r.Incident.ID)
	case api.Clear:
		return told(r.Incident.ID)
	}
	return true
}

// rank orders severities; one that is not known is worth to be told.
func rank(severity string) int {
	if i := slices.Index([]string{event.Info, event.Notice, event.Warning, event.Alert}, severity); i >= 0 {
		return i
	}
	return 3
}
