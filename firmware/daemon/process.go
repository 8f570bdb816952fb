package daemon

import (
	"net/http"
	"runtime/metrics"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
)

// introduced adds to what a daemon answers what it says of itself.
func introduced(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.HandleFunc("GET /v1/process", func(w http.ResponseWriter, _ *http.Request) { wire.Answer(w, process(), nil) })
	return mux
}

// process does not stop the world, as runtime.ReadMemStats would.
func process() api.Process {
	read := []metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(read)
	return api.Process{Goroutines: read[0].Value.Uint64(), Heap: read[1].Value.Uint64()}
}
