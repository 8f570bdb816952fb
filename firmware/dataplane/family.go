package dataplane

import (
	"net/netip"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// family is all that the rules know of an IP version.
type family struct {
	table       nftables.TableFamily
	l3          uint16
	addr        nftables.SetDatatype
	addrLen     uint32
	source      uint32 // offset of the source address in the network header
	destination uint32
	header      uint32 // length of a network header without options
	icmp        byte
	icmpHead    uint32 // length of what an ICMP error says before the packet that it is about
	unreachable uint8  // code of "port unreachable"
	prohibited  uint8  // code of "administratively prohibited"
}

func ipv4() family {
	return family{
		table: nftables.TableFamilyIPv4, l3: unix.NFPROTO_IPV4,
		addr: nftables.TypeIPAddr, addrLen: 4, source: 12, destination: 16, header: 20,
		icmp: unix.IPPROTO_ICMP, icmpHead: 8, unreachable: 3, prohibited: 13,
	}
}

func (f family) address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b[:f.addrLen])
	return a
}
