package acceptance

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"spoolgate/tools/lab/netns"
)

// segment is a TCP segment on the wire.
type segment struct {
	at       time.Time
	from, to netip.AddrPort
	flags    byte
}

const (
	fin = 1 << iota
	syn
	rst
	_
	ack
)

// capture passes each TCP segment that comes or goes by a link to see, until
// see returns false.
func (p *place) capture(n *netns.Namespace, link string, see func(segment) bool) {
	p.Helper()
	conn := p.sniffer(n, link)
	p.must(conn.SetReadDeadline(time.Now().Add(within)))
	frame := make([]byte, 2048)
	for {
		size, _, err := conn.ReadFrom(frame)
		if err != nil {
			p.Fatalf("the capture ended before all was seen: %v", err)
		}
		if s, ok := parse(frame[:size]); ok && !see(s) {
			return
		}
	}
}

func (p *place) sniffer(n *netns.Namespace, link string) *packet.Conn {
	p.Helper()
	var conn *packet.Conn
	p.must(n.Do(func() error {
		i, err := net.InterfaceByName(link)
		if err == nil {
			conn, err = packet.Listen(i, packet.Raw, unix.ETH_P_ALL, nil)
		}
		return err
	}))
	p.Cleanup(func() { conn.Close() })
	return conn
}

// parse reads an Ethernet frame with IPv4 and TCP.
func parse(frame []byte) (s segment, ok bool) {
	if len(frame) < 14+20 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP {
		return s, false
	}
	ip := frame[14:]
	header := int(ip[0]&0xf) * 4
	if ip[9] != unix.IPPROTO_TCP || len(ip) < header+20 {
		return s, false
	}
	tcp := ip[header:]
	s.at = time.Now()
	s.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:])), binary.BigEndian.Uint16(tcp))
	s.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:])), binary.BigEndian.Uint16(tcp[2:]))
	s.flags = tcp[13] & (fin | syn | rst | ack)
	return s, true
}
