package flight

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// roomForPackets is what the kernel may keep until the next probe ends: over a
// thousand packets, where a probe is three.
const roomForPackets = 1 << 20

// tap is a socket that sees the packets of all interfaces, both ways, from their
// IP header on, as far as a filter lets them through.
type tap struct {
	fd      int
	head    [headLength]byte
	control [64]byte
}

// packet is one that the tap saw; head is valid until the next.
type packet struct {
	at     int64 // Unix time in nanoseconds, the kernel's
	link   int   // index of the interface
	length int   // of the whole packet
	head   []byte
}

// openTap lets no packet in before the filter is there.
func openTap(filter []bpf.RawInstruction) (*tap, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	t := &tap{fd: fd}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	for _, do := range []struct {
		what  string
		apply func() error
	}{
		{"filter", func() error { return t.replace(filter) }},
		{"time stamps", func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) }},
		{"buffer", func() error {
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, roomForPackets)
		}},
		{"bind", func() error { return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all}) }},
	} {
		if err := do.apply(); err != nil {
			return nil, errors.Join(fmt.Errorf("%s of the packet socket: %w", do.what, err), t.close())
		}
	}
	return t, nil
}

// replace puts a filter in the place of the one before.
func (t *tap) replace(filter []bpf.RawInstruction) error {
	sock := make([]unix.SockFilter, len(filter))
	for i, f := range filter {
		sock[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	return unix.SetsockoptSockFprog(t.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(sock)), Filter: &sock[0]})
}

// seeOutgoing says whether packets that leave the box are seen; at first they are.
func (t *tap) seeOutgoing(see bool) error {
	ignore := 1
	if see {
		ignore = 0
	}
	if err := unix.SetsockoptInt(t.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, ignore); err != nil {
		return fmt.Errorf("direction of the packet socket: %w", err)
	}
	return nil
}

// next returns the next packet, if there is one.
func (t *tap) next() (p packet, ok bool, err error) {
	for {
		n, oob, _, from, err := unix.Recvmsg(t.fd, t.head[:], t.control[:], 0)
		switch err {
		case nil:
			p = packet{at: stamp(t.control[:oob]), length: n, head: t.head[:n]}
			// A short frame is padded, and a long packet is cut by the filter.
			if length, ok := lengthIP(p.head); ok {
				p.length, p.head = length, p.head[:min(n, length)]
			}
			if link, ok := from.(*unix.SockaddrLinklayer); ok {
				p.link = link.Ifindex
			}
			return p, true, nil
		case unix.EAGAIN:
			return packet{}, false, nil
		case unix.EINTR, unix.ENETDOWN: // an interface went away; the others are there
		default:
			return packet{}, false, fmt.Errorf("packet socket: %w", err)
		}
	}
}

// stamp is the kernel's time of a packet.
func stamp(control []byte) int64 {
	if len(control) == 0 {
		return time.Now().UnixNano()
	}
	h, data, _, err := unix.ParseOneSocketControlMessage(control)
	if err != nil || h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_TIMESTAMPNS || len(data) < 16 {
		return time.Now().UnixNano()
	}
	return int64(binary.NativeEndian.Uint64(data))*int64(time.Second) + int64(binary.NativeEndian.Uint64(data[8:]))
}

func (t *tap) close() error { return unix.Close(t.fd) }
