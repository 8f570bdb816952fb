package supervise

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A daemon must not be able to tell who started it. systemd-socket-activate is
// systemd's own (Debian package systemd).
func TestDaemonIsHandedItsSocketAsSystemdDoes(t *testing.T) {
	theirs := underSystemd(t)
	g := play(t, withSocket(spec(t, "d", "good")))
	g.untilRunning("d", 0)
	var ours self
	g.ask("d", "self", &ours)

	for what, pair := range map[string][2]string{
		"LISTEN_FDS":     {ours.ListenFDs, theirs.ListenFDs},
		"LISTEN_FDNAMES": {ours.Names, theirs.Names},
	} {
		if pair[0] != pair[1] || pair[0] == "" {
			t.Errorf("%s is %q of us and %q of systemd", what, pair[0], pair[1])
		}
	}
	for who, s := range map[string]self{"us": ours, "systemd": theirs} {
		var told int
		if err := json.Unmarshal([]byte(s.ListenPID), &told); err != nil || told != s.PID {
			t.Errorf("%s: LISTEN_PID is %q in process %d", who, s.ListenPID, s.PID)
		}
	}
}

// underSystemd starts the test daemon by systemd's program and asks it.
func underSystemd(t *testing.T) (s self) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "d.sock")
	daemon := spec(t, "d", "good")
	cmd := exec.Command("systemd-socket-activate", append([]string{"-l", path, "--fdname=d"}, daemon.Argv...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The supervisor of the test waits for every child: this one must be gone before.
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	var c net.Conn
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err = net.Dial("unix", path); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("systemd-socket-activate does not listen: %v", err)
		}
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte("self")); err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(c).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}
