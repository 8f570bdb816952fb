package report

import (
	"context"
	"iter"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
)

// journal keeps reports as the balancer does.
type journal struct {
	mu      sync.Mutex
	kept    []api.Report
	changed chan struct{}
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) add(reports ...api.Report) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kept = append(j.kept, reports...)
	close(j.changed)
	j.changed = make(chan struct{})
}

// follow yields the kept reports after seq and then each new one.
func (j *journal) follow(ctx context.Context, seq uint64) iter.Seq2[api.Report, error] {
	return func(yield func(api.Report, error) bool) {
		for {
			j.mu.Lock()
			kept, changed := j.kept, j.changed
			j.mu.Unlock()
			for _, r := range kept {
				if r.Event.Seq <= seq {
					continue
				}
				if !yield(r, nil) {
					return
				}
				seq = r.Event.Seq
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// serve answers as the balancer's socket until the test ends, and returns its path.
func (j *journal) serve(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/reports", func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.ParseUint(r.FormValue("after"), 10, 64)
		if err != nil || r.FormValue("follow") == "" {
			t.Errorf("asked for %s", r.URL)
		}
		wire.BeginStream(w)
		for one, err := range j.follow(r.Context(), after) {
			if err != nil || !wire.Send(w, one) {
				return
			}
		}
	})
	mux.HandleFunc("GET /v1/snapshot", func(w http.ResponseWriter, _ *http.Request) {
		wire.Answer(w, api.Snapshot{Box: api.Box{State: api.OK, Hostname: "spoolgate"}}, nil)
	})
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &http.Server{Handler: mux, BaseContext: func(net.Listener) context.Context { return ctx }}
	go s.Serve(l)
	t.Cleanup(func() { cancel(); s.Close() })
	return path
}
