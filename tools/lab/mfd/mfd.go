// Package mfd is a simulated multifunction printer: sessions over several
// ports, and scans sent by FTP and WebDAV, each from the printer's own address.
package mfd

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/node"
)

// MFD is one printer. Its namespace has its address.
type MFD struct {
	Namespace *netns.Namespace
	Address   netip.Addr
	// Box is the virtual address that the printer knows.
	Box netip.Addr
}

// patience is how long a printer waits for a greeting.
const patience = 10 * time.Second

// Connection is an open connection and who answered it.
type Connection struct {
	node.Greeting
	conn *net.TCPConn
	in   *bufio.Reader
}

// Connect opens a connection to a terminal port, FTP or WebDAV of the box and
// reads who answers.
func (m *MFD) Connect(ctx context.Context, port uint16) (*Connection, error) {
	conn, err := m.Namespace.Dial(ctx, m.Address, netip.AddrPortFrom(m.Box, port))
	if err != nil {
		return nil, err
	}
	return m.greeted(conn, port)
}

func (m *MFD) greeted(conn *net.TCPConn, port uint16) (*Connection, error) {
	c := &Connection{conn: conn, in: bufio.NewReader(conn)}
	if err := c.greet(port); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s to port %d: %w", m.Address, port, err)
	}
	return c, nil
}

// greet reads who answers, in the words of the port: a terminal port says it by
// itself, FTP in its welcome, WebDAV when it is asked.
func (c *Connection) greet(port uint16) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	c.Port = port
	var err error
	switch port {
	case node.FTP:
		err = c.greetFTP()
	case node.WebDAV:
		err = c.greetWebDAV()
	default:
		var line []byte
		if line, err = c.in.ReadBytes('\n'); err == nil {
			err = json.Unmarshal(line, &c.Greeting)
		}
	}
	if err != nil {
		return err
	}
	return c.conn.SetDeadline(time.Time{})
}

func (c *Connection) greetFTP() error {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return err
	}
	c.Node, c.Client = parseWelcome(line)
	return nil
}

func (c *Connection) greetWebDAV() error {
	if _, err := io.WriteString(c.conn, "OPTIONS / HTTP/1.1\r\nHost: box\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	c.Node = resp.Header.Get(node.HeaderNode)
	c.Client, err = netip.ParseAddrPort(resp.Header.Get(node.HeaderClient))
	return err
}

// Exchange sends some bytes to a terminal port and expects them back.
func (c *Connection) Exchange() error {
	sent := rand.Text() + "\n"
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(c.conn, sent); err != nil {
		return err
	}
	got, err := c.in.ReadString('\n')
	if err != nil {
		return err
	}
	if got != sent {
		return fmt.Errorf("sent %q, got %q", sent, got)
	}
	return c.conn.SetDeadline(time.Time{})
}

// WaitUntil waits until the connection ends or the time has come, and returns how
// it did: io.EOF after a FIN, ECONNRESET after a RST.
func (c *Connection) WaitUntil(t time.Time) error {
	if err := c.conn.SetReadDeadline(t); err != nil {
		return err
	}
	_, err := c.in.ReadByte()
	return err
}

// Close ends the connection with a FIN.
func (c *Connection) Close() error { return c.conn.Close() }

// Abort ends the connection with a RST.
func (c *Connection) Abort() error {
	if err := c.conn.SetLinger(0); err != nil {
		return err
	}
	return c.conn.Close()
}

// ConnectAll opens a connection to each port at the same moment.
func (m *MFD) ConnectAll(ports []uint16) ([]*Connection, error) {
	to := make([]netip.AddrPort, len(ports))
	for i, p := range ports {
		to[i] = netip.AddrPortFrom(m.Box, p)
	}
	conns, err := m.Namespace.DialAll(m.Address, to)
	if err != nil {
		return nil, err
	}
	all := make([]*Connection, len(ports))
	errs := make([]error, len(ports))
	var open sync.WaitGroup
	for i, p := range ports {
		open.Go(func() { all[i], errs[i] = m.greeted(conns[i], p) })
	}
	open.Wait()
	if err := errors.Join(errs...); err != nil {
		CloseAll(all)
		return nil, err
	}
	return all, nil
}

// CloseAll ends connections, of which some may be nil.
func CloseAll(all []*Connection) {
	for _, c := range all {
		if c != nil {
			c.Close()
		}
	}
}

// TerminalPorts are 5011 to 5025.
func TerminalPorts() (out []uint16) {
	for p := uint16(5011); p <= 5025; p++ {
		out = append(out, p)
	}
	return out
}

// Ports are all that the requirement wants passed: TerminalPorts, WebDAV and FTP.
func Ports() []uint16 { return append(TerminalPorts(), node.WebDAV, node.FTP) }
