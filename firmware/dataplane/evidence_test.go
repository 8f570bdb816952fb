package dataplane

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// TestEventsTellWhoIsRefusedAndWhoIsNotAnswered asks a node for a port that is
// served, one that nobody listens on, and two behind a firewall that drops and one
// that says so.
func TestEventsTellWhoIsRefusedAndWhoIsNotAnswered(t *testing.T) {
	for name, masked := range map[string]bool{"masked": true, "transparent": false} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.echo(5011)
			g := group(1)
			g.Masked = masked
			s.serve(g)
			_, err := s.nodes[0].Output("nft", "table ip fw { chain in { type filter hook input priority 0; tcp dport 5013 drop; tcp dport 5014 reject with icmp type admin-prohibited; }; }")
			s.must(err)
			c := s.track(0)
			for range 20 {
				s.visit(printer(0), 5011).Close()
			}
			if _, err := s.dial(printer(1), vip, 5012); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a port that nobody listens on: %v", err)
			}
			if _, err := s.dial(printer(3), vip, 5014); !errors.Is(err, syscall.EHOSTUNREACH) {
				t.Errorf("a port that a firewall rejects: %v", err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			silent := make(chan error, 1)
			go func() {
				conn, err := s.printers.Dial(ctx, printer(2), netip.AddrPortFrom(vip, 5013))
				if err == nil {
					conn.Close()
				}
				silent <- err
			}()
			if !within(10*time.Second, func() bool {
				return len(c.complaints(5012)) > 0 && len(c.complaints(5013)) > 0 && len(c.complaints(5014)) > 0
			}) {
				t.Fatalf("told was %+v", c.unserved)
			}
			stop()
			if err := <-silent; err == nil {
				t.Error("a port that drops was connected to")
			}
			refused, unanswered := c.complaints(5012), c.complaints(5013)
			if len(refused) != 1 || refused[0].Kind != Closed || !refused[0].Refused || refused[0].Mark != 1 || refused[0].Client != printer(1) {
				t.Errorf("of the refusal: %+v", refused)
			}
			if len(unanswered) != 1 || unanswered[0].Kind != Unanswered || unanswered[0].Mark != 1 || unanswered[0].Client != printer(2) {
				t.Errorf("of the silence: %+v", unanswered)
			}
			if told := c.complaints(5014); len(told) != 1 || told[0].Kind != Unanswered || told[0].Client != printer(3) {
				t.Errorf("of the firewall that says so: %+v", told)
			}
			if served := c.complaints(5011); len(served) > 0 {
				t.Errorf("of connections that were served: %+v", served)
			}
		})
	}
}

// A client that asks a silent node again and again is told of once.
func TestSilenceIsToldOnceAConnection(t *testing.T) {
	s := newSite(t)
	s.serve(group(1))
	_, err := s.nodes[0].Output("nft", "table ip fw { chain in { type filter hook input priority 0; tcp dport 5013 tcp flags syn counter drop; }; }")
	s.must(err)
	c := s.track(0)
	ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond) // the first packet, and again after 1 s and 3 s
	defer cancel()
	if conn, err := s.printers.Dial(ctx, printer(0), netip.AddrPortFrom(vip, 5013)); err == nil {
		conn.Close()
		t.Error("a port that drops was connected to")
	}
	if told := c.complaints(5013); len(told) != 1 {
		t.Errorf("told %d times: %+v", len(told), told)
	}
}

func (c *counter) complaints(port uint16) []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Event(nil), c.unserved[port]...)
}
