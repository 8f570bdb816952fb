package web

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"

	"spoolgate/firmware/report/mib"
)

// metricsOf answers a scrape of Prometheus with what reportd says on its socket:
// this way it goes over HTTPS, on the one port that the management interface has.
func metricsOf(socket string, log *slog.Logger) http.Handler {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "spoolgate"}) },
		Transport: &http.Transport{DialContext: dial, DisableCompression: true},
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			log.Warn("metrics", "err", err)
			http.Error(w, "The program that has the metrics of this box does not answer. It is started again by itself; try in a minute.", http.StatusBadGateway)
		},
	}
}

// module hands out the module for SNMP stations, under the name that they look for.
func module(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, mib.Text) // a browser that went needs no answer
}
