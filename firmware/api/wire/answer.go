package wire

import (
	"encoding/json"
	"errors"
	"net/http"

	"spoolgate/firmware/api"
)

// Answer writes a value, or the refusal that err is, as JSON. An error that is
// no *api.Error is our fault: 500.
func Answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		var refused *api.Error
		if !errors.As(err, &refused) {
			refused = &api.Error{Status: http.StatusInternalServerError, What: err.Error()}
		}
		w.WriteHeader(refused.Status)
		v = refused
	}
	// The caller may have gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(v)
}

// BeginStream begins an answer of JSON values, a line each.
func BeginStream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
}

// Send writes one value of a stream and reports whether anybody still reads.
func Send(w http.ResponseWriter, v any) bool {
	return json.NewEncoder(w).Encode(v) == nil && http.NewResponseController(w).Flush() == nil
}
