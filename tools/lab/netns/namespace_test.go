package netns_test

import (
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"spoolgate/tools/lab/netns"
)

func make2(t *testing.T) (*netns.Namespace, *netns.Namespace) {
	t.Helper()
	var made []*netns.Namespace
	for range 2 {
		n, err := netns.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		made = append(made, n)
	}
	return made[0], made[1]
}

func TestTwoNamespacesTalkOverTheirCable(t *testing.T) {
	a, b := make2(t)
	for _, err := range []error{
		netns.Pair(a, "to-b", b, "to-a"),
		a.Address("to-b", netip.MustParsePrefix("198.18.0.1/24")),
		b.Address("to-a", netip.MustParsePrefix("198.18.0.2/24")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, err := b.Listen(netip.MustParseAddrPort("198.18.0.2:5011"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		io.WriteString(conn, conn.RemoteAddr().String())
		conn.Close()
	}()
	conn, err := a.Dial(t.Context(), netip.MustParseAddr("198.18.0.1"), netip.MustParseAddrPort("198.18.0.2:5011"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	saw, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if string(saw) != conn.LocalAddr().String() {
		t.Errorf("the other side saw %s, we are %s", saw, conn.LocalAddr())
	}
}

func TestNothingOfTheMachineIsSeenInside(t *testing.T) {
	a, _ := make2(t)
	out, err := a.Output("cat", "/proc/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(strings.TrimSpace(out), "\n") + 1; lines != 3 {
		t.Errorf("want the two header lines and lo, got:\n%s", out)
	}
}

// TestWorksForAnUnprivilegedUser runs the first test again in a user namespace
// of its own, as the lab of `make run` does.
func TestWorksForAnUnprivilegedUser(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestTwoNamespacesTalkOverTheirCable$", "-test.v")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestTwoNamespacesTalk") {
		t.Errorf("in a user namespace: %v\n%s", err, out)
	}
}
