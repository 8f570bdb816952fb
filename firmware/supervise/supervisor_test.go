package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
)

func spec(t *testing.T, name, part string) Spec {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Spec{
		Name: name, Argv: []string{exe, daemonWord, part}, Critical: true,
		Timing: Timing{FirstDelay: 10 * time.Millisecond, MaxDelay: 50 * time.Millisecond, Abort: 500 * time.Millisecond, Stop: 2 * time.Second},
	}
}

func withSocket(s Spec) Spec {
	s.Sockets = []Socket{{Name: s.Name, Network: "unix", Mode: 0o660}}
	return s
}

// readableCopy puts a program where every user can execute it: go test's own
// folder is root's alone.
func readableCopy(t *testing.T, program string) string {
	dir, err := os.MkdirTemp("", "sup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "daemon")
	if err := os.WriteFile(copied, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestDaemonFindsItsSocketsItsWatchdogAndItself(t *testing.T) {
	s := withSocket(spec(t, "d", "good"))
	s.Sockets = append(s.Sockets, Socket{Name: "web", Network: "tcp", Address: "127.0.0.1:0", Device: "lo"})
	s.Timing.Watchdog = 3 * time.Second
	g := play(t, s)
	d := g.untilRunning("d", 0)
	if d.Status != "plays good" {
		t.Errorf("status %q", d.Status)
	}
	var self self
	g.ask("d", "self", &self)
	pid := fmt.Sprint(d.PID)
	if self.PID != d.PID || self.ListenPID != pid || self.WatchdogPID != pid {
		t.Errorf("process %d, told LISTEN_PID %s and WATCHDOG_PID %s", d.PID, self.ListenPID, self.WatchdogPID)
	}
	if self.ListenFDs != "2" || self.Names != "d:web" || self.WatchdogUsec != "3000000" {
		t.Errorf("told %+v", self)
	}
	g.until("its line comes through", func() bool { return slices.Contains(g.lines, "d: <5>hello from good") })
}

func TestDaemonHasOnlyThePrivilegesOfItsSpec(t *testing.T) {
	s := withSocket(spec(t, "d", "good"))
	s.Argv[0] = readableCopy(t, s.Argv[0])
	s.UID, s.GID, s.Groups, s.Caps = 201, 202, []uint32{210, 211}, []Cap{NetAdmin, NetRaw}
	g := play(t, s)
	g.untilRunning("d", 0)
	var self self
	g.ask("d", "self", &self)
	const both = "0000000000003000" // CAP_NET_ADMIN is 12, CAP_NET_RAW 13
	for key, want := range map[string]string{
		"Uid": "201 201 201 201", "Gid": "202 202 202 202", "Groups": "210 211", "NoNewPrivs": "1",
		"CapInh": both, "CapPrm": both, "CapEff": both, "CapBnd": both, "CapAmb": both,
	} {
		if self.Status[key] != want {
			t.Errorf("%s is %q, want %q", key, self.Status[key], want)
		}
	}
}

func TestKilledDaemonComesBackAndLosesNoConnectionAttempt(t *testing.T) {
	g := play(t, withSocket(spec(t, "d", "good")))
	first := g.untilRunning("d", 0)
	unix.Kill(first.PID, unix.SIGKILL)
	var self self
	g.ask("d", "self", &self) // waits in the backlog meanwhile
	second := g.untilRunning("d", 1)
	if self.PID != second.PID || second.PID == first.PID {
		t.Errorf("process %d answered, %d runs, %d was killed", self.PID, second.PID, first.PID)
	}
	if second.LastExit != "killed by killed" {
		t.Errorf("last exit %q", second.LastExit)
	}
}

func TestFrozenDaemonIsRestartedByItsWatchdog(t *testing.T) {
	s := spec(t, "d", "good")
	s.Timing.Watchdog = 300 * time.Millisecond
	g := play(t, s)
	d := g.untilRunning("d", 0)
	unix.Kill(d.PID, unix.SIGSTOP)
	again := g.untilRunning("d", 1)
	if !strings.HasPrefix(again.LastExit, "gave no sign of life for 300ms") {
		t.Errorf("last exit %q", again.LastExit)
	}
}

func TestCrashLoopGoesOnWithPausesAndHarmsNobodyElse(t *testing.T) {
	g := play(t, spec(t, "bad", "crash"), spec(t, "good", "good"))
	g.untilRunning("good", 0)
	g.until("five restarts", func() bool { return g.states["bad"].Restarts >= 5 })
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.states["good"].Restarts != 0 {
		t.Error("the good one was restarted too")
	}
	if g.states["bad"].LastExit != "exit status 3" {
		t.Errorf("last exit %q", g.states["bad"].LastExit)
	}
	if g.beats == 0 {
		t.Error("the hardware watchdog was not fed")
	}
}

func TestMissingProgramIsNamedAndTriedAgain(t *testing.T) {
	s := spec(t, "d", "good")
	s.Argv[0] = "/no/such/program"
	g := play(t, s)
	g.until("the reason is logged", func() bool {
		return slices.ContainsFunc(g.lines, func(l string) bool { return strings.Contains(l, "start /no/such/program: no such file") })
	})
	g.until("it is tried again", func() bool { return g.states["d"].Restarts >= 2 })
}

func TestLastWordsOfADyingDaemonAreHeard(t *testing.T) {
	s := spec(t, "d", "last words")
	s.Timing.FirstDelay, s.Timing.MaxDelay = time.Hour, time.Hour
	g := play(t, s)
	g.until("its end and its words are known", func() bool {
		d := g.states["d"]
		return d.State == api.DaemonWaiting && d.LastExit == "exit status 4" && d.Status == "these are my last words"
	})
}

func TestStrangersMessageIsDropped(t *testing.T) {
	g := play(t, withSocket(spec(t, "d", "good")))
	g.untilRunning("d", 0)
	var self self
	g.ask("d", "self", &self)
	// The test runs as the right user, but it is another process.
	t.Setenv("NOTIFY_SOCKET", self.Notify)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sendWithFile("STOPPING=1\nSTATUS=taken over\nFDSTORE=1", int(w.Fd()))
	w.Close()
	g.until("the stranger is noticed", func() bool {
		return slices.ContainsFunc(g.lines, func(l string) bool { return strings.Contains(l, "stranger") })
	})
	r.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := r.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Error("the stranger's descriptor stayed open")
	}
	if d := g.untilRunning("d", 0); d.Status != "plays good" {
		t.Errorf("status is now %q", d.Status)
	}
}

func TestDaemonIsHeardOnlyInWhatItMayAskFor(t *testing.T) {
	s := withSocket(spec(t, "d", "good"))
	s.Asks = []string{"tea"}
	g := play(t, s, withSocket(spec(t, "other", "good")))
	g.untilRunning("d", 0)
	g.untilRunning("other", 0)
	var said string
	g.ask("other", "say X_SPOOLGATE_ASK=tea", &said)
	g.ask("d", "say X_SPOOLGATE_ASK=coffee", &said)
	g.ask("d", "say X_SPOOLGATE_ASK=tea", &said)
	g.until("the right ask is heard", func() bool { return len(g.asks) > 0 })
	g.until("the wrong ones are noticed", func() bool {
		text := strings.Join(g.lines, "\n")
		return strings.Contains(text, "ask=coffee") && strings.Contains(text, "service=other ask=tea")
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.asks, []string{"d: tea"}) {
		t.Errorf("heard %q", g.asks)
	}
}

// Whoever holds something for a daemon that is not there lets go of it in time.
func TestEverySpawnIsAnnouncedBeforeTheProcessIs(t *testing.T) {
	g := play(t, withSocket(spec(t, "d", "good")))
	d := g.untilRunning("d", 0)
	unix.Kill(d.PID, unix.SIGKILL)
	g.untilRunning("d", 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Equal(g.spawns, []string{"d", "d"}) {
		t.Errorf("announced %q", g.spawns)
	}
}

func TestKeptDescriptorsComeBackUnderTheirNamesUpToTheLimit(t *testing.T) {
	s := withSocket(spec(t, "d", "good"))
	s.KeepFDs = 2
	g := play(t, s)
	d := g.untilRunning("d", 0)
	var said string
	for _, order := range []string{"store one", "store two", "store three", "say FDSTOREREMOVE=1\nFDNAME=one", "store four", "barrier"} {
		if g.ask("d", order, &said); said != "done" {
			t.Fatalf("%s: %s", order, said)
		}
	}
	unix.Kill(d.PID, unix.SIGKILL)
	g.untilRunning("d", 1)
	var self self
	g.ask("d", "self", &self)
	if want := []string{"two=content of two", "four=content of four"}; !slices.Equal(self.Kept, want) || self.Names != "d:two:four" {
		t.Errorf("came back: %q as %s, want %q", self.Kept, self.Names, want)
	}
}

func TestStopEndsTheLastStartedFirstAndWaits(t *testing.T) {
	stubborn := spec(t, "b", "good")
	stubborn.Timing.Stop = 300 * time.Millisecond
	g := play(t, spec(t, "a", "good"), stubborn, spec(t, "c", "mute"))
	g.untilRunning("a", 0)
	b := g.untilRunning("b", 0)
	g.until("c has a process", func() bool { return g.states["c"].PID != 0 })
	unix.Kill(b.PID, unix.SIGSTOP)
	g.stop()
	for name, d := range g.states {
		if d.State != api.DaemonStopped || d.PID != 0 {
			t.Errorf("%s is %s", name, d.State)
		}
	}
	a, bEnd, c := g.states["a"].Since, g.states["b"].Since, g.states["c"].Since
	if !c.Before(bEnd) || !bEnd.Before(a) {
		t.Errorf("ended: a %v, b %v, c %v", a, bEnd, c)
	}
	if err := syscall.Kill(b.PID, 0); err == nil {
		t.Error("a process is left")
	}
}
