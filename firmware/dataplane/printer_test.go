package dataplane

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"spoolgate/tools/lab/netns"
)

// visit is a connection of a printer: where it landed and as whom.
type visit struct {
	net.Conn
	in   *bufio.Reader
	node Mark
	as   netip.Addr
}

func (s *site) dial(from netip.Addr, to netip.Addr, port uint16) (*visit, error) {
	return s.dialFrom(s.printers, from, to, port)
}

func (s *site) dialFrom(ns *netns.Namespace, from netip.Addr, to netip.Addr, port uint16) (*visit, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := ns.Dial(ctx, from, netip.AddrPortFrom(to, port))
	if err != nil {
		return nil, err
	}
	return greet(conn)
}

func greet(conn net.Conn) (*visit, error) {
	v := &visit{Conn: conn, in: bufio.NewReader(conn)}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	line, err := v.in.ReadString('\n')
	if err != nil {
		conn.Close()
		return nil, err
	}
	var as string
	if _, err := fmt.Sscanf(line, "%d %s", &v.node, &as); err != nil {
		conn.Close()
		return nil, err
	}
	v.as, err = netip.ParseAddr(as)
	return v, err
}

func (s *site) visit(from netip.Addr, port uint16) *visit {
	s.t.Helper()
	v, err := s.dial(from, vip, port)
	if err != nil {
		s.t.Fatalf("%s to port %d: %v", from, port, err)
	}
	s.t.Cleanup(func() { v.Close() })
	return v
}

// exchange sends a line over an open connection and waits for its echo.
func (v *visit) exchange() error {
	v.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(v, "ping\n"); err != nil {
		return err
	}
	line, err := v.in.ReadString('\n')
	if err == nil && line != "ping\n" {
		err = fmt.Errorf("echo was %q", line)
	}
	return err
}

// ended waits for the end of a connection and says how it came.
func (v *visit) ended(within time.Duration) error {
	v.SetReadDeadline(time.Now().Add(within))
	_, err := v.in.ReadByte()
	return err
}

func (s *site) binding(client netip.Addr) (Binding, bool) {
	s.t.Helper()
	all, err := s.table.Bindings()
	s.must(err)
	for _, b := range all {
		if b.Client == client && b.VirtualAddress == vip {
			return b, true
		}
	}
	return Binding{}, false
}

// each runs fn for 0 to n-1 on several goroutines and fails with the first few
// errors.
func (s *site) each(n int, fn func(i int) error) {
	s.t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []string
	limit := make(chan struct{}, 32)
	for i := range n {
		wg.Add(1)
		limit <- struct{}{}
		go func() {
			defer wg.Done()
			defer func() { <-limit }()
			if err := fn(i); err != nil {
				mu.Lock()
				failed = append(failed, err.Error())
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	if len(failed) > 0 {
		s.t.Fatalf("%d failed: %s", len(failed), strings.Join(failed[:min(5, len(failed))], "; "))
	}
}

func (s *site) udp(from netip.Addr, to netip.AddrPort) *net.UDPConn {
	s.t.Helper()
	var conn *net.UDPConn
	s.must(s.printers.Do(func() error {
		var err error
		conn, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(to))
		return err
	}))
	return conn
}

// ping sends one ICMP echo request and waits for its answer.
func (s *site) ping(from, to netip.Addr) error {
	var conn *net.IPConn
	err := s.printers.Do(func() error {
		var err error
		conn, err = net.DialIP("ip4:icmp", &net.IPAddr{IP: from.AsSlice()}, &net.IPAddr{IP: to.AsSlice()})
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := conn.Write([]byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}); err != nil {
		return err
	}
	b := make([]byte, 100)
	n, _, err := conn.ReadFromIP(b)
	if err != nil {
		return err
	}
	if n == 0 || b[0] != 0 {
		return fmt.Errorf("ICMP answer is % x", b[:n])
	}
	return nil
}
