package naming

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// door is port 53 of one address, over UDP and TCP.
type door struct {
	answer  func(request) []byte
	at      netip.Addr
	packets *net.UDPConn
	stream  *net.TCPListener
	seats   seats
	end     sync.Once
	closed  chan struct{}
}

// open answers at an address until close, or until the network takes it away.
func open(at netip.AddrPort, answer func(request) []byte) (*door, error) {
	packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	stream, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, errors.Join(err, packets.Close())
	}
	d := &door{answer: answer, at: at.Addr(), packets: packets, stream: stream, closed: make(chan struct{})}
	go d.hearPackets()
	go d.hearStreams()
	return d, nil
}

func (d *door) close() {
	d.end.Do(func() {
		d.packets.Close()
		d.stream.Close()
		d.seats.clear()
		close(d.closed) // last: it can be opened again after it
	})
}

func (d *door) ended() bool {
	select {
	case <-d.closed:
		return true
	default:
		return false
	}
}

// hearPackets answers over UDP, one question after the other: an answer takes
// microseconds, and a flood must not become a flood of goroutines.
func (d *door) hearPackets() {
	defer d.close()
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := d.packets.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if reply := d.answer(request{packet: buf[:n], asker: from.Addr().Unmap(), at: d.at}); reply != nil {
			// Whoever asked may have gone.
			_, _ = d.packets.WriteToUDPAddrPort(reply, from)
		}
	}
}

// breath is the pause after a connection could not be taken: descriptors may be
// short for a moment.
const breath = 100 * time.Millisecond

func (d *door) hearStreams() {
	defer d.close()
	for {
		c, err := d.stream.AcceptTCP()
		switch {
		case err == nil:
			asker := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
			go d.converse(d.seats.take(c, asker))
		case errors.Is(err, net.ErrClosed):
			return
		default:
			select {
			case <-time.After(breath):
			case <-d.closed:
			}
		}
	}
}

const (
	// idleTime is how long a connection may wait for its next question, whole.
	idleTime = 5 * time.Second
	// writeTime is how long the other end may take to read an answer.
	writeTime = 2 * time.Second
)

// converse answers the questions of one connection.
func (d *door) converse(s *seat) {
	defer d.seats.leave(s)
	c := &dns.Conn{Conn: s.conn}
	for {
		if s.conn.SetReadDeadline(time.Now().Add(idleTime)) != nil {
			return
		}
		packet, err := c.ReadMsgHeader(nil)
		if err != nil {
			return
		}
		d.seats.use(s)
		reply := d.answer(request{packet: packet, asker: s.asker, at: d.at, stream: true})
		if reply == nil || s.conn.SetWriteDeadline(time.Now().Add(writeTime)) != nil {
			return
		}
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}
