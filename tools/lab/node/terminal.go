package node

import (
	"encoding/json"
	"io"
	"net"
	"sync"
	"time"
)

// terminal is a port that greets each connection and echoes it.
type terminal struct {
	listener net.Listener
	mu       sync.Mutex
	open     map[net.Conn]bool
}

func (s *server) serveTerminal(l net.Listener, port uint16) service {
	t := &terminal{listener: l, open: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.mu.Lock()
			t.open[conn] = true
			t.mu.Unlock()
			go func() {
				defer t.forget(conn)
				time.Sleep(s.slowness())
				hello := Greeting{Node: s.Name, Port: port, Client: conn.RemoteAddr().(*net.TCPAddr).AddrPort()}
				if json.NewEncoder(conn).Encode(hello) == nil {
					// The printer ends the session in whatever way it likes.
					_, _ = io.Copy(conn, conn)
				}
			}()
		}
	}()
	return t
}

func (t *terminal) forget(conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, conn)
	conn.Close()
}

// Close stops the service as a killed one stops: its connections are reset.
func (t *terminal) Close() error {
	err := t.listener.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	for conn := range t.open {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	return err
}
