// Package mfd is a simulated multifunction printer: sessions over several
// ports, and scans sent by FTP and WebDAV, each from the printer's own address.
package mfd

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
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

// Connection is an open connection to a terminal port.
type Connection struct {
	node.Greeting
	conn *net.TCPConn
	in   *bufio.Reader
}

// Connect opens a connection to a port of the box and reads who answers.
func (m *MFD) Connect(ctx context.Context, port uint16) (*Connection, error) {
	conn, err := m.Namespace.Dial(ctx, m.Address, netip.AddrPortFrom(m.Box, port))
	if err != nil {
		return nil, err
	}
	c := &Connection{conn: conn, in: bufio.NewReader(conn)}
	if err := c.greet(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s to port %d: %w", m.Address, port, err)
	}
	return c, nil
}

func (c *Connection) greet() error {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	line, err := c.in.ReadBytes('\n')
	if err != nil {
		return err
	}
	if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return json.Unmarshal(line, &c.Greeting)
}

// Exchange sends some bytes and expects them back.
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

// Wait blocks until the connection ends and returns how it did: io.EOF after a
// FIN, ECONNRESET after a RST.
func (c *Connection) Wait() error {
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
func (m *MFD) ConnectAll(ctx context.Context, ports []uint16) ([]*Connection, error) {
	all := make([]*Connection, len(ports))
	errs := make([]error, len(ports))
	var open sync.WaitGroup
	for i, p := range ports {
		open.Go(func() { all[i], errs[i] = m.Connect(ctx, p) })
	}
	open.Wait()
	for _, err := range errs {
		if err != nil {
			CloseAll(all)
			return nil, err
		}
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
