// Package node is a simulated print server: the two services that are probed,
// the terminal ports, FTP and WebDAV. Each answers who it is and whom it sees,
// which is what the tests of the box are about.
//
// A node is a process of its own in a namespace of its own, so that it can be
// killed and frozen as a server can: Start makes it, Serve is what it runs.
package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// The ports of a node, as the requirement lists them.
const (
	SPOC    = 5555 // probed
	TS      = 5022 // probed, and one of the terminal ports
	WebDAV  = 5610
	FTP     = 21
	firstTS = 5011
	lastTS  = 5025
)

// Config is a node. It goes to the process as JSON.
type Config struct {
	Name    string
	Address netip.Addr
	// Dir holds what FTP and WebDAV receive.
	Dir string
	// PassivePorts is the range of FTP's data ports; zero leaves it open.
	PassivePorts [2]uint16
	// PassiveAddress is what PASV names; invalid is Address. Where nobody can
	// rewrite the reply, over TLS, it has to be the virtual address.
	PassiveAddress netip.Addr
	// FTPS offers AUTH TLS.
	FTPS bool
	// NoFTP leaves port 21 to another server in the same namespace.
	NoFTP bool
}

// Greeting is the first line that a terminal port sends: which node answers and
// whom it sees.
type Greeting struct {
	Node   string         `json:"node"`
	Port   uint16         `json:"port"`
	Client netip.AddrPort `json:"client"`
}

// server is a running node.
type server struct {
	Config
	mu      sync.Mutex
	running map[uint16]service
	delay   time.Duration
	// accepted counts what accept() returned, by port: a half-open probe never
	// comes so far.
	accepted map[uint16]int
}

// service is what listens on one port.
type service interface{ io.Closer }

// Serve runs a node in the namespace of this process until ctx ends or the
// commands do.
func Serve(ctx context.Context, c Config, commands io.Reader, answers io.Writer) error {
	s := &server{Config: c, running: map[uint16]service{}, accepted: map[uint16]int{}}
	defer s.stopAll()
	for _, p := range s.ports() {
		if err := s.start(p); err != nil {
			return err
		}
	}
	context.AfterFunc(ctx, s.stopAll)
	return s.obey(commands, json.NewEncoder(answers))
}

func (s *server) ports() []uint16 {
	out := []uint16{SPOC, WebDAV}
	for p := uint16(firstTS); p <= lastTS; p++ {
		out = append(out, p)
	}
	if !s.NoFTP {
		out = append(out, FTP)
	}
	return out
}

func (s *server) start(port uint16) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[port] != nil {
		return nil
	}
	at := netip.AddrPortFrom(s.Address, port)
	opened, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return fmt.Errorf("node %s: %w", s.Name, err)
	}
	l := counted{opened, s, port}
	switch port {
	case FTP:
		s.running[port], err = s.serveFTP(l)
	case WebDAV:
		s.running[port] = s.serveWebDAV(l)
	default:
		s.running[port] = s.serveTerminal(l, port)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("node %s: port %d: %w", s.Name, port, err), l.Close())
	}
	return nil
}

// counted counts the connections of a listener.
type counted struct {
	net.Listener
	server *server
	port   uint16
}

func (c counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.server.mu.Lock()
		c.server.accepted[c.port]++
		c.server.mu.Unlock()
	}
	return conn, err
}

func (s *server) stop(port uint16) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := s.running[port]
	delete(s.running, port)
	if running == nil {
		return nil
	}
	return running.Close()
}

func (s *server) stopAll() {
	for _, p := range s.ports() {
		// The node ends; whoever cares for a port's last error has gone.
		_ = s.stop(p)
	}
}

func (s *server) slowness() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delay
}
