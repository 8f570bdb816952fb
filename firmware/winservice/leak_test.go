package winservice

import (
	"context"
	"flag"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"spoolgate/tools/lab/windows"
)

// reconnects is 10,000 where somebody wants to see it: five minutes are not for
// every run of the tests.
var reconnects = flag.Int("reconnects", 100, "how often TestReconnectingLeavesNothingBehind reconnects")

// holding is what the process holds on to.
type holding struct{ goroutines, descriptors, connections int }

func (b *bench) holding() (h holding) {
	b.Helper()
	h.goroutines = runtime.NumGoroutine()
	open, err := os.ReadDir("/proc/self/fd")
	b.Must(err)
	h.descriptors = len(open)
	out, err := b.box.Output("ss", "-Htn", "state", "established")
	b.Must(err)
	h.connections = strings.Count(out, "\n")
	return h
}

// settles waits until nothing more is held than before: goroutines end a moment
// after their connection.
func (b *bench) settles(before holding) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		h := b.holding()
		if h.goroutines <= before.goroutines && h.descriptors <= before.descriptors && h.connections <= before.connections {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			b.Fatalf("held before: %+v, after: %+v\n%s", before, h, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestReconnectingLeavesNothingBehind(t *testing.T) {
	b := newBench(t)
	b.serve()
	s, stranger := b.session(right), b.session(Account{windows.User, "guess"})
	b.state(s, windows.Spooler)
	s.Close()
	before := b.holding()
	for i := range *reconnects {
		switch i % 10 {
		case 7: // the login fails
			if _, err := b.query(stranger, windows.Spooler); err == nil {
				t.Fatal("a wrong password is right")
			}
		case 8: // no time to log in
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
			_, _ = s.Query(ctx, []string{windows.Spooler})
			cancel()
		case 9: // the session breaks while nobody asks
			b.state(s, windows.Spooler)
			b.Must(s.open.wire.Conn.(*net.TCPConn).CloseWrite())
			b.state(s, windows.Spooler)
		default:
			b.state(s, windows.Spooler)
		}
		s.Close()
	}
	b.settles(before)
}
