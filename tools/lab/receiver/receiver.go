// Package receiver has the servers that a site lets the box report to: a mail server
// (exim), a log server (rsyslog) and a management station (snmptrapd), as Debian has
// them, each from a configuration of its own on an address of its own.
package receiver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to listen, on a busy machine.
const patience = 30 * time.Second

// Server is one program while it runs.
type Server struct {
	Address netip.Addr
	dir     string
	cmd     *exec.Cmd
	done    chan struct{} // closed when the program has ended
}

// newServer makes an address, of the 16 million that the loopback has, and a folder
// that programs of other users can go into.
func newServer(what string) (*Server, error) {
	b := make([]byte, 3)
	rand.Read(b)
	dir, err := os.MkdirTemp("", "spoolgate-"+what+"-")
	if err != nil {
		return nil, err
	}
	// Never .0 or .255, whatever the programs make of such a last part.
	return &Server{Address: netip.AddrFrom4([4]byte{127, b[0] | 1, b[1], b[2]>>1 | 1}), dir: dir}, os.Chmod(dir, 0o755)
}

// run starts the program and waits until it listens on all of ports.
func (s *Server) run(cmd *exec.Cmd, ports ...port) error {
	s.cmd, s.done = cmd, make(chan struct{})
	// A file and no pipe: a mail server's children would keep a pipe open.
	output, err := os.OpenFile(s.output(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", cmd.Path, err)
	}
	go func() { cmd.Wait(); close(s.done) }()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		ready := true
		for _, p := range ports {
			ready = ready && p.taken(s.Address)
		}
		if ready {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s ended at once: %s", cmd.Path, s.said())
		default:
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("%s does not listen on %s %v: %s", cmd.Path, s.Address, ports, s.said()), s.Stop())
		}
	}
}

func (s *Server) output() string { return filepath.Join(s.dir, "output") }

func (s *Server) said() string {
	text, _ := os.ReadFile(s.output())
	return string(text)
}

// Stop ends the program; its files stay until Close.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	// Of the group of its own, as a mail server has children.
	err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(patience):
		err = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.done
	}
	s.cmd = nil
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// Close ends the program and removes its files.
func (s *Server) Close() error { return errors.Join(s.Stop(), os.RemoveAll(s.dir)) }

// port is one that a server listens on.
type port struct {
	network string // tcp, udp
	number  uint16
}

// taken looks into the kernel's list, so that no server sees a visitor.
func (p port) taken(a netip.Addr) bool {
	// The process's own list is that of its first thread, which may have been left in
	// a namespace of a test.
	list, err := os.ReadFile("/proc/thread-self/net/" + p.network)
	if err != nil {
		return false
	}
	b := a.As4()
	at := fmt.Sprintf("%02X%02X%02X%02X:%04X", b[3], b[2], b[1], b[0], p.number)
	for line := range strings.Lines(string(list)) {
		f := strings.Fields(line)
		if len(f) > 3 && f[1] == at && (p.network == "udp" || f[3] == "0A") {
			return true
		}
	}
	return false
}

// await reads with read until ok is satisfied with the text.
func await(read func() string, ok func(text string) bool) (string, error) {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text := read()
		if ok(text) {
			return text, nil
		}
		if time.Now().After(end) {
			return text, fmt.Errorf("what was waited for did not come; there is:\n%s", text)
		}
	}
}
