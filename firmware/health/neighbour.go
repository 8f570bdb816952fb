package health

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
	routes "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Absent reports whether the kernel asked on the network for the node's address,
// or for that of the router to it, and has no answer. It goes on asking for three
// seconds, so that a probe times out before the kernel gives up: a node that is off
// would look like one whose firewall drops the probe.
func Absent(node netip.Addr) bool {
	found, err := routes.RouteGet(node.Unmap().AsSlice())
	if err != nil || len(found) == 0 {
		return false
	}
	next := node.Unmap()
	if gateway, ok := netip.AddrFromSlice(found[0].Gw); ok {
		next = gateway.Unmap()
	}
	state, err := neighbour(found[0].LinkIndex, next)
	return err == nil && state&(unix.NUD_INCOMPLETE|unix.NUD_FAILED) != 0
}

// neighbour is the state (NUD_...) of one entry of the kernel's ARP or neighbour
// table: asking for one costs the same however many there are.
func neighbour(link int, a netip.Addr) (state uint16, err error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	family := byte(unix.AF_INET6)
	if a.Is4() {
		family = unix.AF_INET
	}
	// struct ndmsg: family, padding, interface, state, flags, type.
	body := append([]byte{family, 0, 0, 0}, binary.NativeEndian.AppendUint32(nil, uint32(link))...)
	body = append(body, 0, 0, 0, 0)
	attributes := netlink.NewAttributeEncoder()
	attributes.Bytes(unix.NDA_DST, a.AsSlice())
	encoded, err := attributes.Encode()
	if err != nil {
		return 0, err
	}
	answer, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETNEIGH, Flags: netlink.Request},
		Data:   append(body, encoded...),
	})
	if err != nil || len(answer) == 0 || len(answer[0].Data) < 10 {
		return 0, err
	}
	return binary.NativeEndian.Uint16(answer[0].Data[8:]), nil
}
