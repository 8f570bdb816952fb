// Package netns makes the network namespaces in which tests and the lab run
// simulated nodes, printers and boxes.
//
// A Namespace has no name and no file: it lives as long as its descriptor, a
// process or a socket in it. Nothing of the machine's own network is touched
// and /var/run/netns is not needed, so the package also works in a user
// namespace of an unprivileged process.
package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is one network namespace.
type Namespace struct {
	file   *os.File
	handle *netlink.Handle
}

// New makes an empty namespace whose loopback is up. It needs CAP_NET_ADMIN
// and CAP_SYS_ADMIN in the user namespace of the process.
func New() (*Namespace, error) {
	var n *Namespace
	err := onThrownAwayThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare network: %w", err)
		}
		var err error
		n, err = current()
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := n.Up("lo"); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Current is the namespace that the caller is in.
func Current() (*Namespace, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return current()
}

func current() (*Namespace, error) {
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	h, err := netlink.NewHandleAt(vnetns.NsHandle(f.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open rtnetlink: %w", err), f.Close())
	}
	return &Namespace{file: f, handle: h}, nil
}

// Close lets go of the namespace; the kernel removes it, its links included,
// when nothing runs in it any more.
func (n *Namespace) Close() error {
	n.handle.Close()
	return n.file.Close()
}

// Do runs fn on a thread inside the namespace. Sockets that fn opens stay in
// the namespace whoever uses them later; goroutines that fn starts are outside.
func (n *Namespace) Do(fn func() error) error {
	return onThrownAwayThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return fn()
	})
}

// onThrownAwayThread never unlocks its thread: Go then ends the thread with
// the goroutine, and no other goroutine wakes up in a strange namespace.
func onThrownAwayThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := errors.New("function did not return") // runtime.Goexit, as by t.FailNow
		defer func() { done <- err }()
		err = fn()
	}()
	return <-done
}

// Start starts cmd inside the namespace. Do not set Pdeathsig: the thread that
// forks ends at once.
func (n *Namespace) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Output runs a program inside the namespace and returns what it wrote to both
// outputs.
func (n *Namespace) Output(name string, args ...string) (string, error) {
	var out []byte
	err := n.Do(func() error {
		var err error
		out, err = exec.Command(name, args...).CombinedOutput()
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Sysctl writes a value below /proc/sys, such as "net/ipv4/ip_forward".
func (n *Namespace) Sysctl(key, value string) error {
	return n.Do(func() error {
		if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0); err != nil {
			return fmt.Errorf("sysctl %s=%s: %w", key, value, err)
		}
		return nil
	})
}
