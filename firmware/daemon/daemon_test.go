package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// The test binary plays the daemon that a supervisor starts: sockets are handed
// over to a fresh process only.
const roleVariable = "SPOOLGATE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "follow":
		Main("follow", followHangups)
	case "no notice":
		Main("no notice", takeNoNotice)
	case "tell":
		Main("tell", func(context.Context, []string, *slog.Logger) error {
			_, err := fmt.Println(runtime.GOMAXPROCS(0), debug.SetGCPercent(-1))
			return err
		})
	case "listen":
		os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
		l, err := Listen("")
		if err == nil {
			fmt.Println(l.Addr())
			err = l.Close()
		}
		if err != nil {
			fmt.Println("error:", err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// as is this program in a role.
func as(role string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	return cmd
}

func TestDaemonTakesOneProcessorAndLittleMemory(t *testing.T) {
	out, err := as("tell", "GOMAXPROCS=2").Output()
	if err != nil || strings.TrimSpace(string(out)) != "1 50" {
		t.Errorf("processors, percent of garbage: %q, %v", out, err)
	}
}

func startWithSockets(t *testing.T, names string, files ...*os.File) string {
	t.Helper()
	cmd := as("listen", fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = files
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestSocketHandedOverIsServedAndLeftInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	if got := startWithSockets(t, "s", f); got != path {
		t.Errorf("the daemon listens on %q, want %q", got, path)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the supervisor's socket is gone: %v", err)
	}
}

func TestWrongSocketsAreRefused(t *testing.T) {
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if got := startWithSockets(t, "x", plain); !strings.Contains(got, `inherited socket "x"`) {
		t.Errorf("a descriptor that is no socket: %q", got)
	}
	if got := startWithSockets(t, ""); !strings.Contains(got, "-socket PATH") {
		t.Errorf("no socket at all: %q", got)
	}
}

func TestDeadSocketIsReplacedAndLiveOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	old, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another process serves it") {
		t.Errorf("a socket in use: %v", err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()
	l, err := Listen(path)
	if err != nil {
		t.Fatalf("a socket that a dead process left: %v", err)
	}
	defer l.Close()
	if info, _ := os.Stat(path); info.Mode().Perm() != socketMode {
		t.Errorf("mode %v, want %o", info.Mode().Perm(), socketMode)
	}
	file := filepath.Join(t.TempDir(), "precious")
	os.WriteFile(file, []byte("x"), 0o600)
	if _, err := Listen(file); err == nil {
		t.Error("a plain file was replaced by a socket")
	}
}

func supervisor(t *testing.T) *net.UnixConn {
	t.Helper()
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	c, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", addr.Name)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c
}

func heard(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestSupervisorHearsReadyStatusAndLife(t *testing.T) {
	c := supervisor(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	n, err := NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	n.Ready("2 nodes\nREADY=0")
	if got, want := heard(t, c), "READY=1\nSTATUS=2 nodes READY=0"; got != want {
		t.Errorf("ready: %q, want %q", got, want)
	}
	n.Status("1 node")
	n.Status("1 node")
	<-n.Beat()
	n.Alive()
	if got := heard(t, c); got != "STATUS=1 node" {
		t.Errorf("status: %q", got)
	}
	if got := heard(t, c); got != "WATCHDOG=1" {
		t.Errorf("after one status: %q, want WATCHDOG=1", got)
	}
}

func TestWithoutSupervisorNothingIsSaidAndNothingTicks(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	n, err := NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	if n.Beat() != nil || n.Ready("x") != nil || n.Alive() != nil || n.Stopping() != nil {
		t.Error("a daemon started by hand reports to somebody")
	}
	n.Stop()
}

func TestServeEndsStreamsWithTheDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			cancel()
			<-r.Context().Done()
			io.WriteString(w, "bye")
		}))
	}()
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", path)
	}}}
	r, err := client.Get("http://box/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != "bye" {
		t.Errorf("the stream ended with %q, %v", body, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestCommandLineErrorsSayWhatToDo(t *testing.T) {
	fs := flag.NewFlagSet("netd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	err := ParseFlags(fs, []string{"config.toml"})
	if err == nil || !strings.Contains(err.Error(), `"config.toml" is not a flag`) || exitCode(err) != 2 {
		t.Errorf("a word that is no flag: %v, exit %d", err, exitCode(err))
	}
	if err := ParseFlags(fs, []string{"-help"}); exitCode(err) != 0 {
		t.Errorf("-help exits %d", exitCode(err))
	}
	if exitCode(errors.New("x")) != 1 || exitCode(nil) != 0 {
		t.Error("exit codes are wrong")
	}
}
