package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/firmware/phrase"
)

// serviceWatch turns what init writes of the daemons into events.
type serviceWatch struct {
	path string
	told []event.Event // of restarts, before this daemon was started
	read time.Time     // change time of the file as last read
	seen map[string]int
}

// restartsTold are the events of restarts that a journal remembers.
func restartsTold(reports []api.Report) (told []event.Event) {
	for _, r := range reports {
		if r.Event.Kind == event.ServiceRestarted {
			told = append(told, r.Event)
		}
	}
	return told
}

// poll returns the restarts since the last poll. A file that is not there, or
// not whole, is looked at again the next time: init writes it whole.
func (w *serviceWatch) poll() []event.Event {
	if w.path == "" {
		return nil
	}
	info, err := os.Stat(w.path)
	if err != nil || info.ModTime().Equal(w.read) {
		return nil
	}
	data, err := os.ReadFile(w.path)
	if err != nil {
		return nil
	}
	var s api.Services
	if json.Unmarshal(data, &s) != nil {
		return nil
	}
	w.read = info.ModTime()
	return w.restarts(s)
}

func (w *serviceWatch) restarts(s api.Services) (out []event.Event) {
	if w.seen == nil {
		// The first look tells what happened while nobody looked, since the box
		// started.
		w.seen = map[string]int{}
		for _, ev := range w.told {
			if ev.Time.After(s.Boot.Started) {
				w.seen[ev.Program] = ev.Count
			}
		}
		w.told = nil
	}
	for _, d := range s.Services {
		was := w.seen[d.Name]
		w.seen[d.Name] = d.Restarts
		if d.Restarts > 0 && d.Restarts != was { // fewer than were told: the box was started anew
			out = append(out, event.Event{Kind: event.ServiceRestarted, Severity: event.Warning, Program: d.Name, Count: d.Restarts,
				Text: fmt.Sprintf("%s was restarted (%s since the box started): %s", d.Name, phrase.Count(d.Restarts, "time"), d.LastExit)})
		}
	}
	return out
}
