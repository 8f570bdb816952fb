package netns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Listen opens a TCP listener inside the namespace.
func (n *Namespace) Listen(at netip.AddrPort) (*net.TCPListener, error) {
	var l *net.TCPListener
	err := n.Do(func() error {
		var err error
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", at, err)
	}
	return l, nil
}

// Dial opens a TCP connection from inside the namespace, from an address of
// the caller's choice; it gives up after five seconds.
func (n *Namespace) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
	var conn *net.TCPConn
	err := n.Do(func() error {
		d := net.Dialer{Timeout: 5 * time.Second}
		var err error
		conn, err = d.DialTCP(ctx, "tcp", netip.AddrPortFrom(from, 0), to)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial from %s: %w", from, err)
	}
	return conn, nil
}
