package engine

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
)

// serveLog answers with what the log has after a number, as show has it; with
// follow=1 it goes on with what comes.
func serveLog[T any](e *Engine, w http.ResponseWriter, r *http.Request, show func(api.Report) T) {
	var after uint64
	if text := r.FormValue("after"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			wire.Answer(w, nil, &api.Error{Status: http.StatusBadRequest, What: fmt.Sprintf("after=%q is no number of an event", text)})
			return
		}
	}
	if r.FormValue("follow") == "" {
		reports, _ := e.log.After(after)
		list := make([]T, len(reports))
		for i, kept := range reports {
			list[i] = show(kept)
		}
		wire.Answer(w, list, nil)
		return
	}
	wire.BeginStream(w)
	if http.NewResponseController(w).Flush() != nil {
		return
	}
	for kept := range e.log.Follow(r.Context(), after) {
		if !wire.Send(w, show(kept)) {
			return
		}
	}
}

// recent is how many incidents that are over are told.
const recent = 50

// incidents are those that are open, the gravest first, and then those that are
// over, the last first.
func (e *Engine) incidents() []api.Incident {
	all := append([]api.Incident{}, e.book.Open()...)
	open := len(all)
	for _, r := range slices.Backward(e.log.Kept()) {
		if len(all) == open+recent {
			break
		}
		if r.Phase == api.Clear && !slices.ContainsFunc(all, func(i api.Incident) bool { return i.ID == r.Incident.ID }) {
			all = append(all, *r.Incident)
		}
	}
	return all
}
