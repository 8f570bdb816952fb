package web

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api/wire"
)

func TestOneBrowserTooManyIsToldSoAndTheOthersGoOn(t *testing.T) {
	w, s := newTestSite(t, sample())
	var streams []*bufio.Reader
	for range mostStreams {
		resp, err := http.Get(s.URL + "/live")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		r := bufio.NewReader(resp.Body)
		if line, err := r.ReadString('\n'); err != nil || line != "event: page\n" {
			t.Fatalf("%q %v", line, err)
		}
		streams = append(streams, r)
	}
	if resp, body := get(t, "GET", s.URL+"/live", ""); resp.StatusCode != 503 || !strings.Contains(body, "Close some") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	w.update(func(v *view) { v.Balancer = nil; v.Lost = at })
	for _, r := range streams {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(line, "Nobody can tell") {
				break
			}
		}
	}
}

func TestStreamsGiveTheirPlacesBack(t *testing.T) {
	_, s := newTestSite(t, sample())
	for range 3 * mostStreams {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		for {
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == 200 {
				break
			}
			// The server notices a second later at most that a reader went.
			time.Sleep(50 * time.Millisecond)
		}
		cancel()
	}
}

func TestWhatIsNoPageGetsAClearAnswer(t *testing.T) {
	_, s := newTestSite(t, sample())
	for _, tt := range []struct {
		method, path string
		status       int
		text         string
	}{
		{"POST", "/", 405, "Nothing can be changed from here."}, {"PUT", "/live", 405, "Nothing can be changed"}, {"DELETE", "/nodes/A", 405, "Nothing can be changed"},
		{"GET", "/nodes/A", 404, "This box has no such page. Its status is at /."}, {"GET", "/static/../../etc/passwd", 404, "no such page"}, {"GET", "/static/", 404, "no such page"},
	} {
		req, err := http.NewRequest(tt.method, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path = tt.path
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.text) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, resp.StatusCode, body)
		}
	}
}

func TestPanicInAHandlerEndsOneRequest(t *testing.T) {
	s := httptest.NewUnstartedServer(patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			panic("of a handler")
		}
	})))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	defer s.Close()
	if _, err := http.Get(s.URL + "/bad"); err == nil {
		t.Error("a panic was answered")
	}
	if resp, err := http.Get(s.URL + "/good"); err != nil || resp.StatusCode != 200 {
		t.Errorf("after a panic: %v", err)
	}
}

// Daemons that are gone are asked once a second, by the goroutines that there
// are, and not in a circle.
func TestWatchOnDaemonsThatAreGoneIsCalm(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	tries := make(chan struct{}, 1000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			tries <- struct{}{}
		}
	}()
	client := wire.NewClient(path)
	w := newWatch(client, client, client, filepath.Join(dir, "none"), time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	before := runtime.NumGoroutine()
	ended := make(chan struct{})
	go func() { w.run(ctx); close(ended) }()
	for range 8 {
		<-tries
	}
	begun := time.Now()
	for range 17 {
		<-tries
	}
	if took := time.Since(begun); took < 2*time.Second {
		t.Errorf("asked 17 times in %v", took)
	}
	// Those of a try end with it; what is left behind by each would only grow.
	for late := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+8; runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
	cancel()
	<-ended
	l.Close()
}
