// Package flood sends first packets of connections that nobody follows up, from as
// many addresses as wanted: what a scan or an attack looks like to the box. Answers to
// them meet silence when no machine has the addresses.
package flood

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"spoolgate/tools/lab/netns"
)

// firstPort is the source port of the first packet of each address; the next ones
// come from the ports that follow.
const firstPort = 1024

// Send sends n first packets from a namespace, one from each address of a network in
// turn, to a port. It returns when all are sent.
func Send(from *netns.Namespace, sources netip.Prefix, n int, to netip.AddrPort) error {
	fd := -1
	err := from.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		return fmt.Errorf("open raw socket: %w", err)
	}
	defer unix.Close(fd)
	addresses := 1 << (32 - sources.Bits())
	base := sources.Masked().Addr().As4()
	first := binary.BigEndian.Uint32(base[:])
	peer := &unix.SockaddrInet4{Addr: to.Addr().As4()}
	for i := range n {
		var source [4]byte
		binary.BigEndian.PutUint32(source[:], first+uint32(i%addresses))
		packet := syn(netip.AddrPortFrom(netip.AddrFrom4(source), uint16(firstPort+i/addresses%(1<<16-firstPort))), to)
		if err := unix.Sendto(fd, packet, 0, peer); err != nil && err != unix.ENOBUFS {
			return fmt.Errorf("send first packet: %w", err)
		}
	}
	return nil
}

// syn is the IPv4 packet of a SYN; the kernel fills in the checksum of the IP header.
func syn(from, to netip.AddrPort) []byte {
	b := make([]byte, 40)
	ip, tcp := b[:20], b[20:]
	ip[0], ip[8], ip[9] = 0x45, 64, unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(b)))
	source, destination := from.Addr().As4(), to.Addr().As4()
	copy(ip[12:], source[:])
	copy(ip[16:], destination[:])
	binary.BigEndian.PutUint16(tcp, from.Port())
	binary.BigEndian.PutUint16(tcp[2:], to.Port())
	binary.BigEndian.PutUint32(tcp[4:], 1)
	tcp[12], tcp[13] = 5<<4, 0x02
	binary.BigEndian.PutUint16(tcp[14:], 0xffff)
	binary.BigEndian.PutUint16(tcp[16:], checksum(ip[12:20], tcp))
	return b
}

// checksum is that of RFC 9293, 3.1, over the addresses and the header.
func checksum(addresses, tcp []byte) uint16 {
	sum := uint32(unix.IPPROTO_TCP + len(tcp))
	for _, part := range [][]byte{addresses, tcp} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
