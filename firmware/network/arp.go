package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

const (
	arpRequest = 1
	arpReply   = 2
	arpLength  = 28
)

var broadcast = &packet.Addr{HardwareAddr: net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}

// arp is an ARP packet for IPv4 over Ethernet, RFC 826.
type arp struct {
	op                   uint16
	senderMAC, targetMAC net.HardwareAddr
	senderIP, targetIP   netip.Addr
}

// probeFor asks who has an address without claiming it, RFC 5227 section 2.1.1.
func probeFor(mac net.HardwareAddr, ip netip.Addr) arp {
	return arp{arpRequest, mac, make(net.HardwareAddr, 6), netip.IPv4Unspecified(), ip}
}

// announcement tells everybody who has an address, RFC 5227 section 2.3. op is a
// request by that section; some printers heed only replies.
func announcement(op uint16, mac net.HardwareAddr, ip netip.Addr) arp {
	return arp{op, mac, make(net.HardwareAddr, 6), ip, ip}
}

func (a arp) bytes() []byte {
	b := make([]byte, 0, arpLength)
	b = binary.BigEndian.AppendUint16(b, 1) // Ethernet
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IP)
	b = append(b, 6, 4)
	b = binary.BigEndian.AppendUint16(b, a.op)
	b = append(append(b, a.senderMAC...), a.senderIP.AsSlice()...)
	return append(append(b, a.targetMAC...), a.targetIP.AsSlice()...)
}

var errNotARP = errors.New("no ARP packet for IPv4 over Ethernet")

func parseARP(b []byte) (arp, error) {
	if len(b) < arpLength || binary.BigEndian.Uint16(b) != 1 || binary.BigEndian.Uint16(b[2:]) != unix.ETH_P_IP || b[4] != 6 || b[5] != 4 {
		return arp{}, errNotARP
	}
	return arp{
		op:        binary.BigEndian.Uint16(b[6:]),
		senderMAC: bytes.Clone(b[8:14]),
		senderIP:  netip.AddrFrom4([4]byte(b[14:18])),
		targetMAC: bytes.Clone(b[18:24]),
		targetIP:  netip.AddrFrom4([4]byte(b[24:28])),
	}, nil
}
