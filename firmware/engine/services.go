package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// serviceWatch turns what init writes of the daemons into events.
type serviceWatch struct {
	path string
	read time.Time // change time of the file as last read
	seen map[string]int
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
		w.seen = map[string]int{}
	}
	for _, d := range s.Services {
		was := w.seen[d.Name] // none at the first look, which tells what was before it
		w.seen[d.Name] = d.Restarts
		if d.Restarts > was {
			out = append(out, event.Event{Kind: event.ServiceRestarted, Severity: event.Warning,
				Text: fmt.Sprintf("%s was restarted (%s since the box started): %s", d.Name, count(d.Restarts, "time"), d.LastExit)})
		}
	}
	return out
}
