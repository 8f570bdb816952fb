package acceptance

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"spoolgate/firmware/api/wire"
	"spoolgate/tools/lab/netns"
)

// unit is a daemon of the box under systemd's own socket activation and a
// receiver of its notifications.
type unit struct {
	*testing.T
	space  *netns.Namespace
	dir    string
	cmd    *exec.Cmd
	errs   bytes.Buffer
	notes  *net.UnixConn
	listen []string
}

// watchdog is what the supervisor wants a sign of life within.
const watchdog = time.Second

// activate has systemd listen on sockets, each NAME=ADDRESS, and start the
// program at the first connection.
func activate(t *testing.T, space *netns.Namespace, program string, sockets []string, args ...string) *unit {
	t.Helper()
	u := &unit{T: t, space: space, dir: t.TempDir()}
	binary := filepath.Join(u.dir, program)
	if out, err := exec.Command("go", "build", "-o", binary, "spoolgate/cmd/"+program).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address := &net.UnixAddr{Name: filepath.Join(u.dir, "notify"), Net: "unixgram"}
	var err error
	if u.notes, err = net.ListenUnixgram("unixgram", address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.notes.Close() })
	var names, listen []string
	for _, s := range sockets {
		name, where, _ := strings.Cut(s, "=")
		names, u.listen, listen = append(names, name), append(u.listen, where), append(listen, "-l", where)
	}
	// The daemon runs under the process number of this shell, which systemd
	// names in WATCHDOG_PID.
	script := `exec systemd-socket-activate -E WATCHDOG_PID=$$ "$@"`
	words := append([]string{"-c", script, "sh", "-E", "NOTIFY_SOCKET=" + address.Name, "-E", fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds()),
		"--fdname=" + strings.Join(names, ":")}, listen...)
	u.cmd = exec.Command("sh", append(append(words, binary), args...)...)
	u.cmd.Stderr = &u.errs
	if err := space.Start(u.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		u.cmd.Process.Kill()
		u.cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", program, u.errs.String())
		}
	})
	return u
}

// knock makes the first connection, which starts the daemon.
func (u *unit) knock(network string) {
	u.Helper()
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		var c net.Conn
		err := u.space.Do(func() (err error) {
			c, err = net.Dial(network, u.listen[0])
			return err
		})
		if err == nil {
			u.Cleanup(func() { c.Close() })
			return
		}
		if time.Now().After(end) {
			u.Fatalf("systemd does not listen: %v", err)
		}
	}
}

// hear returns the next notification.
func (u *unit) hear(within time.Duration) (string, error) {
	buffer := make([]byte, 4096)
	u.notes.SetReadDeadline(time.Now().Add(within))
	n, err := u.notes.Read(buffer)
	return string(buffer[:n]), err
}

// living checks READY, and signs of life in time.
func (u *unit) living(status string) {
	u.Helper()
	first, err := u.hear(within)
	if err != nil || !strings.HasPrefix(first, "READY=1\nSTATUS=") || !strings.Contains(first, status) {
		u.Fatalf("heard %q (%v), want READY=1 and a status with %q", first, err, status)
	}
	last := time.Now()
	for beats := 0; beats < 5; {
		note, err := u.hear(watchdog)
		if err != nil {
			u.Fatalf("%d signs of life, and then none in time: %v", beats, err)
		}
		switch {
		case note == "WATCHDOG=1":
			if gap := time.Since(last); gap > watchdog {
				u.Errorf("a sign of life after %s", gap)
			}
			last = time.Now()
			beats++
		case !strings.HasPrefix(note, "STATUS="):
			u.Errorf("heard %q", note)
		}
	}
}

// ends asks the daemon to end as systemd does.
func (u *unit) ends() {
	u.Helper()
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		u.Fatal(err)
	}
	if err := u.cmd.Wait(); err != nil {
		u.Errorf("ended with %v", err)
	}
	for _, path := range u.listen {
		if strings.HasPrefix(path, "/") {
			if _, err := os.Stat(path); err != nil {
				u.Errorf("the supervisor's socket went with the daemon: %v", err)
			}
		}
	}
}

func newSpace(t *testing.T) *netns.Namespace {
	t.Helper()
	space, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { space.Close() })
	return space
}

func configFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	text := "[service]\naddresses = [\"198.18.0.1/24\"]\n[[group]]\nvirtual_address = \"198.18.0.10\"\nnode = [{ address = \"198.18.0.11\" }]\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBalancerRunsUnderSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	u := activate(t, newSpace(t), "balancerd", []string{"balancerd=" + socket}, "-config", configFile(t), "-state", t.TempDir())
	u.knock("unix")
	u.living("Nothing serving")
	if s, err := wire.NewClient(socket).Snapshot(t.Context()); err != nil || len(s.Groups) != 1 {
		t.Errorf("over systemd's socket: %+v %v", s, err)
	}
	u.ends()
}

func TestNetworkRunsUnderSystemd(t *testing.T) {
	box, lan := newSpace(t), newSpace(t)
	if err := netns.Pair(box, "svc", lan, "lan"); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "sock")
	u := activate(t, box, "netd", []string{"netd=" + socket}, "-config", configFile(t), "-service", "svc")
	u.knock("unix")
	u.living("service")
	if n, err := wire.NewClient(socket).Network(t.Context()); err != nil || len(n.VirtualAddresses) != 1 {
		t.Errorf("over systemd's socket: %+v %v", n, err)
	}
	u.ends()
}

// What they report on need not be there: a balancer that restarts must not take the
// reporters with it.
func TestReportersRunUnderSystemdWithoutABalancer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "sock")
	config := configFile(t)
	text, err := os.ReadFile(config)
	if err == nil {
		err = os.WriteFile(config, append(text, "[report.syslog]\nserver = \"198.18.0.99\"\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	u := activate(t, newSpace(t), "reportd", []string{"reportd=" + socket}, "-config", config, "-state", t.TempDir(), "-balancer", filepath.Join(t.TempDir(), "none"))
	u.knock("unix")
	u.living("syslog: OK")
	if l, err := wire.NewClient(socket).Reporters(t.Context()); err != nil || len(l) != 1 || l[0].Name != "syslog" {
		t.Errorf("over systemd's socket: %+v %v", l, err)
	}
	u.ends()
}

func TestWebUIRunsUnderSystemd(t *testing.T) {
	space := newSpace(t)
	u := activate(t, space, "webd", []string{"https=127.0.0.1:8443", "http=127.0.0.1:8080"}, "-state", t.TempDir(), "-services", "")
	u.knock("tcp")
	u.living("serving https on 127.0.0.1:8443")
	client := http.Client{Timeout: within, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(_ context.Context, network, address string) (c net.Conn, err error) {
			return c, space.Do(func() (err error) { c, err = net.Dial(network, address); return err })
		},
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for address, want := range map[string]int{"https://127.0.0.1:8443/": http.StatusOK, "http://127.0.0.1:8080/": http.StatusPermanentRedirect} {
		resp, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", address, resp.StatusCode, want)
		}
	}
	u.ends()
}

// A machine without the board's lamps is told so, and is not told READY.
func TestPanelWithoutLampsSaysWhatIsMissingUnderSystemd(t *testing.T) {
	u := activate(t, newSpace(t), "paneld", []string{"paneld=" + filepath.Join(t.TempDir(), "sock")}, "-board", "virt")
	u.knock("unix")
	err := u.cmd.Wait()
	if note, heard := u.hear(10 * time.Millisecond); heard == nil {
		t.Errorf("a panel without lamps said %q", note)
	}
	if err == nil || u.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(u.errs.String(), "GPIO") {
		t.Errorf("ended with %v:\n%s", err, u.errs.String())
	}
}
