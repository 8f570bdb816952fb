package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

// serve answers on a Unix socket and returns a client of it.
func serve(t *testing.T, h http.Handler) (*Client, *http.Server) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return NewClient(path), s
}

func TestEachRequestArrivesAsItWasMeant(t *testing.T) {
	var asked string
	client, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 200)
		n, _ := r.Body.Read(body)
		asked = r.Method + " " + r.URL.String() + " " + string(body[:n])
		w.Write([]byte("null"))
	}))
	ctx, mfd := t.Context(), netip.MustParseAddr("198.18.1.20")
	for want, ask := range map[string]func() error{
		"GET /v1/snapshot ":                               func() error { _, err := client.Snapshot(ctx); return err },
		"GET /v1/network ":                                func() error { _, err := client.Network(ctx); return err },
		"GET /v1/events?after=7 ":                         func() error { _, err := client.Events(ctx, 7); return err },
		"GET /v1/clients?query=198.18.1.0%2F24 ":          func() error { _, err := client.Clients(ctx, "198.18.1.0/24"); return err },
		"GET /v1/groups/print%20room%2F1/nodes/A/probes ": func() error { _, err := client.Probes(ctx, "print room/1", "A"); return err },
		"GET /v1/groups/print/nodes/A/flights ":           func() error { _, err := client.Flights(ctx, "print", "A"); return err },
		"GET /v1/groups/print/nodes/A/pcap ":              func() error { return client.Pcap(ctx, "print", "A", io.Discard) },
		"POST /v1/groups/print/nodes/A/probe ":            func() error { _, err := client.ProbeNow(ctx, "print", "A"); return err },
		"POST /v1/acknowledge ":                           func() error { _, err := client.Acknowledge(ctx); return err },
		"POST /v1/groups/print/nodes/A/return ":           func() error { _, err := client.Return(ctx, "print", "A"); return err },
		"DELETE /v1/groups/print/clients/198.18.1.20 ":    func() error { _, err := client.Forget(ctx, "print", mfd); return err },
		`POST /v1/groups/print/nodes/A/drain {"verb":"stop"}`: func() error {
			_, err := client.Drain(ctx, "print", "A", api.DrainRequest{Verb: api.StopNow})
			return err
		},
		`POST /v1/groups/print/clients/198.18.1.20/move {"node":"B"}`: func() error {
			_, err := client.Move(ctx, "print", mfd, "B")
			return err
		},
	} {
		if err := ask(); err != nil || asked != want {
			t.Errorf("asked %q (%v), want %q", asked, err, want)
		}
	}
}

func TestRefusalComesWithItsStatusAndAdvice(t *testing.T) {
	client, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/snapshot":
			Answer(w, nil, fmt.Errorf("wrapped: %w", &api.Error{Status: 409, What: "not now", Do: "Wait"}))
		case "/v1/network":
			Answer(w, nil, errors.New("disk on fire"))
		default:
			http.NotFound(w, r)
		}
	}))
	_, refused := client.Snapshot(t.Context())
	_, broken := client.Network(t.Context())
	_, unknown := client.Acknowledge(t.Context())
	for _, tt := range []struct {
		err    error
		status int
		text   string
	}{
		{refused, 409, "not now. Wait"}, {broken, 500, "disk on fire"}, {unknown, 404, "404 Not Found to POST /v1/acknowledge"},
	} {
		var e *api.Error
		if !errors.As(tt.err, &e) || e.Status != tt.status || e.Error() != tt.text {
			t.Errorf("%v, want %d %s", tt.err, tt.status, tt.text)
		}
	}
}

func TestSocketThatNobodyServesIsNamed(t *testing.T) {
	_, err := NewClient("/nowhere/sock").Snapshot(t.Context())
	if err == nil || err.Error() != "/nowhere/sock does not answer: dial unix /nowhere/sock: connect: no such file or directory" {
		t.Errorf("%v", err)
	}
}

func TestStreamEndsWithAnErrorWhenTheDaemonGoes(t *testing.T) {
	feed := NewFeed(api.Snapshot{Version: 1})
	client, server := serve(t, http.HandlerFunc(feed.ServeStream))
	var seen []uint64
	var last error
	for s, err := range client.Snapshots(t.Context()) {
		if last = err; err != nil {
			break
		}
		if seen = append(seen, s.Version); s.Version == 1 {
			feed.Publish(api.Snapshot{Version: 2})
		} else {
			server.Close()
		}
	}
	if last == nil || !strings.Contains(last.Error(), "ended") || fmt.Sprint(seen) != "[1 2]" {
		t.Errorf("saw %v, then %v", seen, last)
	}
}

func TestStreamEndsQuietlyWithItsReader(t *testing.T) {
	client, _ := serve(t, http.HandlerFunc(NewFeed(api.Snapshot{}).ServeStream))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range client.Snapshots(ctx) {
		if err != nil {
			t.Errorf("after its own end the reader hears %v", err)
		}
		cancel()
	}
}

func TestDaemonThatHangsCountsAsEnded(t *testing.T) {
	client, _ := serve(t, http.HandlerFunc(NewFeed(api.Snapshot{}).ServeStream))
	client.silence = 50 * time.Millisecond
	var last error
	for _, err := range client.Snapshots(t.Context()) {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "has been silent for 50ms") {
		t.Errorf("ended with %v", last)
	}
}

func TestSlowReaderMissesValuesButNeverTheLast(t *testing.T) {
	feed := NewFeed(api.Snapshot{})
	client, _ := serve(t, http.HandlerFunc(feed.ServeStream))
	const most = 5000
	read, last := 0, uint64(0)
	padding := strings.Repeat("x", 4096) // fills the socket's buffers soon
	for s, err := range client.Snapshots(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if read++; read == 1 {
			for v := uint64(1); v <= most; v++ {
				feed.Publish(api.Snapshot{Version: v, Box: api.Box{Reason: padding}})
			}
		}
		if s.Version < last {
			t.Fatalf("%d came after %d", s.Version, last)
		}
		if last = s.Version; last == most {
			break
		}
	}
	if read > most/2 {
		t.Errorf("a slow reader was told all %d values", read)
	}
}
