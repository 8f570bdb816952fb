package dataplane

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wire are the messages that the kernel sends of the box's connections, as words.
func (s *site) wire() (heard func() string) {
	s.t.Helper()
	var c *conntrack
	s.must(s.box.Do(func() error {
		var err error
		c, err = openConntrack(eventsNew | eventsUpdate | eventsDestroy)
		return err
	}))
	s.t.Cleanup(func() { c.close() })
	s.must(unix.SetNonblock(c.fd, true))
	text := ""
	return func() string {
		for {
			n, err := read(c.fd, c.buffer)
			if err == unix.EAGAIN {
				return text
			}
			s.must(err)
			messages(c.buffer[:n], func(kind, flags uint16, body []byte) {
				var conn connection
				conn.parse(body[4:])
				switch {
				case kind == ctSubsystem|ctDelete:
					text += "forgotten "
				case flags&unix.NLM_F_CREATE != 0:
					text += "new "
				case conn.labels&labelOver != 0:
					text += "over "
				default:
					text += fmt.Sprintf("%+v ", conn)
				}
			})
		}
	}
}

// Messages are what a connection costs beside its packets.
func TestAShortConnectionIsToldInTwoMessages(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.serve(group(1))
	for _, c := range []struct {
		bytes int
		want  string
	}{
		{1 << 10, "new over "},
		{much, "new over forgotten "}, // a scan, which the help desk is asked for
	} {
		heard := s.wire()
		v, err := s.dial(printer(1), vip, 5011)
		s.must(err)
		go io.Copy(v, io.LimitReader(zeros{}, int64(c.bytes)))
		_, err = io.CopyN(io.Discard, v, int64(c.bytes))
		s.must(err)
		s.must(v.Close())
		within(2*time.Second, func() bool { return heard() == "new over " })
		_, err = s.box.Output("conntrack", "-F")
		s.must(err)
		if got := heard(); got != c.want {
			t.Errorf("%d bytes there and back: heard %q, want %q", c.bytes, got, c.want)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// An MFD that has said all that it has to say still waits for the answer.
func TestAConnectionThatOneEndHasClosedIsCountedUntilTheOtherDoes(t *testing.T) {
	s := newSite(t)
	l, err := s.nodes[0].Listen(netip.AddrPortFrom(nodeAddr(1), 5011))
	s.must(err)
	defer l.Close()
	s.serve(group(1))
	c := s.track(0)
	client, err := s.printers.Dial(t.Context(), printer(1), netip.AddrPortFrom(vip, 5011))
	s.must(err)
	defer client.Close()
	node, err := l.Accept()
	s.must(err)
	defer node.Close()
	c.settles(t, 1)
	heard := s.wire()
	s.must(client.CloseWrite())
	_, err = io.ReadAll(node) // the FIN has come by the box
	s.must(err)
	// What would end the count is a message, and it would come before these of another.
	other, err := s.printers.Dial(t.Context(), printer(2), netip.AddrPortFrom(vip, 5011))
	s.must(err)
	defer other.Close()
	c.settles(t, 2)
	if got := heard(); got != "new " {
		t.Errorf("heard %q of a half-closed connection and a new one", got)
	}
	s.must(node.(*net.TCPConn).CloseWrite())
	c.settles(t, 1)
}
