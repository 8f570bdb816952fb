// Package metrics shows the state of the box to Prometheus: each scrape is one
// snapshot of the balancer, whose parts never contradict each other.
package metrics

import (
	"context"
	"crypto/subtle"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"spoolgate/firmware/api"
)

// Source is where a scrape gets the state from.
type Source struct {
	Snapshot  func(context.Context) (api.Snapshot, error)
	Reporters func() []api.Reporter
}

// patience is how long the balancer may take; a scrape of Prometheus ends after 10 s.
const patience = 5 * time.Second

// Handler answers a scrape. token, if there is one, must come as a bearer.
func Handler(source Source, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+token)) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
			http.Error(w, "The metrics of this box want the token of [report.metrics].", http.StatusUnauthorized)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(&scrape{ctx, source})
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// scrape collects one answer.
type scrape struct {
	ctx    context.Context
	source Source
}

// Describe says nothing: which series there are depends on the configuration.
func (s *scrape) Describe(chan<- *prometheus.Desc) {}

func (s *scrape) Collect(out chan<- prometheus.Metric) {
	o := output(out)
	state, err := s.source.Snapshot(s.ctx)
	up := 1.0
	if err != nil {
		up = 0
	}
	o.gauge("spoolgate_balancer_up", "Whether the balancer answers; without it there are no series of the box, its groups and nodes.", nil, up)
	if err == nil {
		o.box(state)
		for _, g := range state.Groups {
			o.group(g)
		}
	}
	for _, r := range s.source.Reporters() {
		o.reporter(r)
	}
}
