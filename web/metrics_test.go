package web

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestScrapeIsAnsweredByTheReportersAndTheirTokenGoesThrough(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	reportd := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" || r.Header.Get("Authorization") != "Bearer token" {
			http.Error(w, "not so", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		w.Write([]byte("spoolgate_balancer_up 1\n"))
	})}
	go reportd.Serve(l)
	defer reportd.Close()
	w := newWatch(nil, nil, nil, "", time.Now)
	log := slog.New(slog.DiscardHandler)
	h, err := newSite(w, metricsOf(socket, log), time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	ask := func(path, token string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text := new(strings.Builder)
		if err := answer.Write(text); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, text.String()
	}
	if code, text := ask("/metrics", "token"); code != http.StatusOK || !strings.Contains(text, "version=0.0.4") || !strings.Contains(text, "spoolgate_balancer_up 1\n") {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := ask("/metrics", "other"); code != http.StatusUnauthorized {
		t.Errorf("with another token: %d", code)
	}
	if code, text := ask("/SPOOLGATE-MIB.txt", ""); code != http.StatusOK || !strings.Contains(text, "SPOOLGATE-MIB DEFINITIONS ::= BEGIN") {
		t.Errorf("the module: %d %.100s", code, text)
	}
	reportd.Close()
	if code, text := ask("/metrics", "token"); code != http.StatusBadGateway || !strings.Contains(text, "started again by itself") {
		t.Errorf("without the reporters: %d %s", code, text)
	}
}
