package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// poker sends packets that pretend to come from the other end of a connection.
type poker struct{ fd int }

func openPoker() (*poker, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open raw socket: %w", err)
	}
	p := &poker{fd}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(PokeMark)); err != nil {
		return nil, errors.Join(fmt.Errorf("mark raw socket: %w", err), p.close())
	}
	return p, nil
}

func (p *poker) close() error {
	fd := p.fd
	if p.fd = -1; fd < 0 {
		return nil
	}
	return os.NewSyscallError("close raw socket", unix.Close(fd))
}

// clients sends the clients of deleted connections a bogus ACK (RFC 9293, 3.10.7.4: an
// unacceptable segment is answered by an ACK). The answer comes to the virtual address
// and is reset there.
func (p *poker) clients(conns []connection) error {
	return p.poke(conns, func(c *connection) tuple { return c.original })
}

// nodes does the same to the nodes. Their answer is reset at the virtual address too, or
// in a transparent group by the client that has forgotten the connection.
func (p *poker) nodes(conns []connection) error {
	return p.poke(conns, func(c *connection) tuple { return c.reply })
}

// poke sends each connection's end that is the source of a tuple what the other end of the
// tuple would. One that cannot be reached any more is no error: that is what cutting is for.
func (p *poker) poke(conns []connection, end func(*connection) tuple) error {
	var errs []error
	for i := range conns {
		t := end(&conns[i])
		errs = append(errs, p.send(t.destination, t.destinationPort, t.source, t.sourcePort))
	}
	return errors.Join(errs...)
}

func (p *poker) send(from netip.Addr, fromPort uint16, to netip.Addr, toPort uint16) error {
	err := unix.Sendto(p.fd, bogusACK(from, fromPort, to, toPort), 0, &unix.SockaddrInet4{Addr: to.As4()})
	if errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("poke %s: %w", netip.AddrPortFrom(to, toPort), err)
	}
	return nil
}

// bogusACK is an IPv4 packet with a bare ACK of random numbers: one in 30,000
// or less falls into the window by chance.
func bogusACK(from netip.Addr, fromPort uint16, to netip.Addr, toPort uint16) []byte {
	const ipLen, tcpLen = 20, 20
	b := make([]byte, ipLen+tcpLen)
	b[0], b[8], b[9] = 4<<4|ipLen/4, 64, unix.IPPROTO_TCP
	copy(b[12:], from.AsSlice())
	copy(b[16:], to.AsSlice())
	tcp := b[ipLen:]
	binary.BigEndian.PutUint16(tcp, fromPort)
	binary.BigEndian.PutUint16(tcp[2:], toPort)
	binary.BigEndian.PutUint32(tcp[4:], rand.Uint32())
	binary.BigEndian.PutUint32(tcp[8:], rand.Uint32())
	tcp[12], tcp[13] = tcpLen/4<<4, tcpACK
	// The pseudo header: addresses, protocol and length; the kernel fills in
	// the sum of the IP header only.
	sum := uint32(unix.IPPROTO_TCP + tcpLen)
	for i := 12; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(tcp[16:], ^uint16(sum))
	return b
}
