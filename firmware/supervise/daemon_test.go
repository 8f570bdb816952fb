package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
)

// The test program plays three parts: the test, the shim, and, with this as
// its first argument, the daemon that does what the second says.
const daemonWord = "test-daemon"

func TestMain(m *testing.M) {
	if shim, err := Shim(os.Args); shim {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(ShimFailed)
	}
	if len(os.Args) == 3 && os.Args[1] == daemonWord {
		playDaemon(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// playDaemon says READY, then takes orders as lines from its first socket, when
// it has one, and ends on SIGTERM.
func playDaemon(part string) {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	say := func(text string) {
		if _, err := daemon.SdNotify(false, text); err != nil {
			fmt.Fprintln(os.Stderr, "notify:", err)
		}
	}
	switch part {
	case "crash":
		os.Exit(3)
	case "mute":
		<-terminated
		return
	case "last words":
		say("STATUS=these are my last words")
		os.Exit(4)
	}
	files := activation.Files(false)
	for _, f := range files {
		if l, err := net.FileListener(f); err == nil {
			go obey(l, say)
		}
	}
	fmt.Fprintln(os.Stderr, "<5>hello from", part)
	say("READY=1\nSTATUS=plays " + part)
	if interval, err := daemon.SdWatchdogEnabled(false); err == nil && interval > 0 {
		go func() {
			for range time.Tick(interval / 3) {
				say(daemon.SdNotifyWatchdog)
			}
		}()
	}
	<-terminated
	say(daemon.SdNotifyStopping)
}

// obey does what one line of a connection orders and answers with JSON.
func obey(l net.Listener, say func(string)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		buf := make([]byte, 512)
		n, _ := c.Read(buf)
		verb, rest, _ := strings.Cut(string(buf[:n]), " ")
		var answer any = "done"
		switch verb {
		case "say":
			say(rest)
		case "self":
			answer = describeSelf()
		case "store":
			answer = storeFile(rest)
		case "barrier":
			answer = barrier()
		}
		json.NewEncoder(c).Encode(answer)
		c.Close()
	}
}

// self is what a daemon sees of itself.
type self struct {
	PID                                       int
	ListenPID, ListenFDs, Names, WatchdogUsec string
	WatchdogPID, Notify, Groups               string
	Status                                    map[string]string // of /proc/self/status
	Kept                                      []string          // content of the kept files
}

func describeSelf() self {
	s := self{
		PID: os.Getpid(), ListenPID: os.Getenv("LISTEN_PID"), ListenFDs: os.Getenv("LISTEN_FDS"),
		Names: os.Getenv("LISTEN_FDNAMES"), WatchdogUsec: os.Getenv("WATCHDOG_USEC"),
		WatchdogPID: os.Getenv("WATCHDOG_PID"), Notify: os.Getenv("NOTIFY_SOCKET"), Status: map[string]string{},
	}
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		k, v, _ := strings.Cut(line, ":")
		s.Status[k] = strings.Join(strings.Fields(v), " ")
	}
	for _, f := range activation.Files(false) {
		content := make([]byte, 64)
		if n, err := f.ReadAt(content, 0); err == nil || n > 0 {
			s.Kept = append(s.Kept, f.Name()+"="+string(content[:n]))
		}
	}
	return s
}

func sendWithFile(text string, fd int) string {
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err.Error()
	}
	defer unix.Close(sock)
	if err := unix.Sendmsg(sock, []byte(text), unix.UnixRights(fd), &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}, 0); err != nil {
		return err.Error()
	}
	return "done"
}

func storeFile(name string) string {
	f, err := os.CreateTemp("", "kept")
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	os.Remove(f.Name())
	f.WriteString("content of " + name)
	return sendWithFile("FDSTORE=1\nFDNAME="+name, int(f.Fd()))
}

// barrier waits until the other end of a pipe is closed by the supervisor.
func barrier() string {
	r, w, err := os.Pipe()
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	said := sendWithFile("BARRIER=1", int(w.Fd()))
	w.Close()
	r.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := r.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		return "nobody closed the barrier"
	}
	return said
}

// stage is a running supervisor and what it told.
type stage struct {
	t      *testing.T
	dir    string
	stop   func()
	mu     sync.Mutex
	states map[string]api.Daemon
	lines  []string
	asks   []string
	spawns []string
	beats  int
	news   chan struct{}
}

func play(t *testing.T, specs ...Spec) *stage {
	t.Helper()
	// Not t.TempDir: its name with that of the test is too long for a socket.
	dir, err := os.MkdirTemp("", "sup")
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir, 0o755)
	t.Cleanup(func() { os.RemoveAll(dir) })
	g := &stage{t: t, dir: dir, states: map[string]api.Daemon{}, news: make(chan struct{}, 1)}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i := range specs {
		for j := range specs[i].Sockets {
			if specs[i].Sockets[j].Network == "unix" {
				specs[i].Sockets[j].Address = filepath.Join(dir, specs[i].Sockets[j].Name+".sock")
			}
		}
	}
	s, err := New(specs, Options{
		Program: exe, NotifyDir: dir, Log: slog.New(slog.NewTextHandler(g, nil)), Now: time.Now,
		Output:   func(service, line string) { g.note(func() { g.lines = append(g.lines, service+": "+line) }) },
		Spawning: func(service string) { g.note(func() { g.spawns = append(g.spawns, service) }) },
		Asked:    func(service, what string) { g.note(func() { g.asks = append(g.asks, service+": "+what) }) },
		Beat:     func() { g.note(func() { g.beats++ }) },
		Changed: func(list []api.Daemon) {
			g.note(func() {
				for _, d := range list {
					g.states[d.Name] = d
				}
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	g.stop = func() { cancel(); <-done }
	t.Cleanup(g.stop)
	return g
}

// Write takes the supervisor's log.
func (g *stage) Write(p []byte) (int, error) {
	g.note(func() { g.lines = append(g.lines, "supervisor: "+strings.TrimSpace(string(p))) })
	return len(p), nil
}

func (g *stage) note(f func()) {
	g.mu.Lock()
	f()
	g.mu.Unlock()
	select {
	case g.news <- struct{}{}:
	default:
	}
}

// until waits for ok, looking at each change.
func (g *stage) until(what string, ok func() bool) {
	g.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		g.mu.Lock()
		reached := ok()
		g.mu.Unlock()
		if reached {
			return
		}
		select {
		case <-g.news:
		case <-limit:
			g.mu.Lock()
			defer g.mu.Unlock()
			g.t.Fatalf("waited in vain until %s; states %+v; lines\n%s", what, g.states, strings.Join(g.lines, "\n"))
		}
	}
}

func (g *stage) untilRunning(name string, restarts int) (d api.Daemon) {
	g.t.Helper()
	g.until(fmt.Sprintf("%s runs after %d restarts", name, restarts), func() bool {
		d = g.states[name]
		return d.State == api.DaemonRunning && d.Restarts == restarts
	})
	return d
}

// ask gives the daemon behind a unix socket an order.
func (g *stage) ask(socket, order string, answer any) {
	g.t.Helper()
	c, err := net.Dial("unix", filepath.Join(g.dir, socket+".sock"))
	if err != nil {
		g.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte(order)); err != nil {
		g.t.Fatal(err)
	}
	if err := json.NewDecoder(c).Decode(answer); err != nil {
		g.t.Fatalf("answer to %q: %v", order, err)
	}
}
