package acceptance

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/site"
)

// The tags of the two interfaces.
const (
	serviceTag    = 12
	managementTag = 100
)

// trunk is the wire of the box as a switch sees it, with the VLAN's tags.
type trunk struct {
	*boxed
	tag   int
	fd    int
	index int
}

// openTrunk listens at the far end of one of the box's cables.
func (b *boxed) openTrunk(at *netns.Namespace, cable string, tag int) *trunk {
	b.Helper()
	w := &trunk{boxed: b, tag: tag}
	b.must(at.Do(func() (err error) {
		link, err := net.InterfaceByName(cable)
		if err != nil {
			return err
		}
		w.index = link.Index
		all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all)); err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: w.index})
	}))
	b.Cleanup(func() { unix.Close(w.fd) })
	// Some kernels take the tag off and tell it beside.
	b.must(unix.SetsockoptInt(w.fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	b.must(unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}))
	return w
}

// frame is one frame that the box sent.
type frame struct {
	vlan    int // 0 without a tag
	kind    uint16
	source  net.HardwareAddr
	payload []byte
}

// await reads frames of the box until one is as wanted. A frame of the box
// without the tag, other than those for which no address is needed, is a fault.
// What is asked for is asked again every second, as machines do.
func (w *trunk) await(what string, is func(frame) bool, ask ...func()) frame {
	w.Helper()
	buf, oob := make([]byte, 2048), make([]byte, 256)
	next := time.Now()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if len(ask) > 0 && time.Now().After(next) {
			ask[0]()
			next = next.Add(time.Second)
		}
		n, oobn, _, from, err := unix.Recvmsg(w.fd, buf, oob, 0)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		w.must(err)
		if l, ok := from.(*unix.SockaddrLinklayer); !ok || l.Pkttype == unix.PACKET_OUTGOING || n < 14 {
			continue
		}
		f := frame{kind: binary.BigEndian.Uint16(buf[12:]), source: net.HardwareAddr(buf[6:12]), payload: buf[14:n], vlan: tag(oob[:oobn])}
		if f.kind == unix.ETH_P_8021Q && len(f.payload) >= 4 { // left on
			f.vlan, f.kind, f.payload = int(binary.BigEndian.Uint16(f.payload)&0xfff), binary.BigEndian.Uint16(f.payload[2:]), f.payload[4:]
		}
		if f.vlan == 0 && (f.kind == unix.ETH_P_ARP || f.kind == unix.ETH_P_IP) {
			w.Errorf("the box speaks outside of its VLAN: %x", buf[:n])
		}
		if is(f) {
			return f
		}
	}
	w.Fatalf("%s: no such frame came; the box has\n%s", what, w.shell("ip addr; ip link"))
	return frame{}
}

// tag reads the VLAN from the data beside a frame: struct tpacket_auxdata.
func tag(oob []byte) int {
	parts, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, p := range parts {
		if p.Header.Level == unix.SOL_PACKET && p.Header.Type == unix.PACKET_AUXDATA && len(p.Data) >= 20 &&
			binary.NativeEndian.Uint32(p.Data)&unix.TP_STATUS_VLAN_VALID != 0 {
			return int(binary.NativeEndian.Uint16(p.Data[16:]) & 0xfff)
		}
	}
	return 0
}

// asker is the MAC of whoever talks to the box over the trunk.
var asker = net.HardwareAddr{2, 0, 0, 0, 0, 9}

// send sends a tagged frame to the box.
func (w *trunk) send(to net.HardwareAddr, kind uint16, payload []byte) {
	w.Helper()
	b := slices.Concat(to, asker)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_8021Q)
	b = binary.BigEndian.AppendUint16(b, uint16(w.tag))
	b = binary.BigEndian.AppendUint16(b, kind)
	w.must(unix.Sendto(w.fd, append(b, payload...), 0, &unix.SockaddrLinklayer{Ifindex: w.index}))
}

// ask asks for an address by ARP, as a machine in the VLAN does.
func (w *trunk) ask(who, wanted netip.Addr) {
	w.Helper()
	b := slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, 1}, asker, who.AsSlice(), make([]byte, 6), wanted.AsSlice())
	w.send(net.HardwareAddr{255, 255, 255, 255, 255, 255}, unix.ETH_P_ARP, b)
}

// knock sends the SYN of a TCP connection.
func (w *trunk) knock(mac net.HardwareAddr, from, to netip.Addr, port uint16) {
	w.Helper()
	tcp := binary.BigEndian.AppendUint16(nil, 40000)
	tcp = binary.BigEndian.AppendUint16(tcp, port)
	tcp = append(tcp, 0, 0, 0, 1, 0, 0, 0, 0, 5<<4, 2, 255, 255, 0, 0, 0, 0)
	pseudo := slices.Concat(from.AsSlice(), to.AsSlice(), []byte{0, 6, 0, byte(len(tcp))}, tcp)
	binary.BigEndian.PutUint16(tcp[16:], checksum(pseudo))
	ip := slices.Concat([]byte{0x45, 0, 0, byte(20 + len(tcp)), 0, 0, 0, 0, 64, 6, 0, 0}, from.AsSlice(), to.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	w.send(mac, unix.ETH_P_IP, append(ip, tcp...))
}

// checksum is that of the Internet (RFC 1071), of an even number of bytes.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// accepts reports whether a frame is the SYN-ACK of a port.
func accepts(f frame, port uint16) bool {
	return f.kind == unix.ETH_P_IP && len(f.payload) >= 40 && f.payload[9] == 6 &&
		binary.BigEndian.Uint16(f.payload[20:]) == port && f.payload[33]&0x3f == 0x12
}

// arpFrom reports whether a frame is an ARP packet of an operation (1 request, 2
// reply) that names this sender.
func arpFrom(f frame, operation uint16, sender netip.Addr) bool {
	return f.kind == unix.ETH_P_ARP && len(f.payload) >= 28 && binary.BigEndian.Uint16(f.payload[6:]) == operation &&
		netip.AddrFrom4([4]byte(f.payload[14:18])) == sender
}

func TestImageServesAndIsManagedInVLANs(t *testing.T) {
	b := openBoxed(t, site.Options{Nodes: 1, MFDs: 1}, func(s *site.Site) string {
		group := s.Config(`checks.interval = "1s"`, `checks.timeout = "500ms"`, `checks.up_delay = "10s"`)
		return s.BoxConfig(fmt.Sprintf("vlan = %d\n%s", managementTag, group), fmt.Sprintf("vlan = %d", serviceTag))
	})
	w := b.openTrunk(b.Switch, site.BoxCable, serviceTag)
	w.await("the virtual address is announced", func(f frame) bool {
		return f.vlan == serviceTag && (arpFrom(f, 1, site.VIP) || arpFrom(f, 2, site.VIP))
	})
	w.await("the box answers for the virtual address", func(f frame) bool {
		return f.vlan == serviceTag && arpFrom(f, 2, site.VIP) && netip.AddrFrom4([4]byte(f.payload[24:28])) == site.MFDAddress(0)
	}, func() { w.ask(site.MFDAddress(0), site.VIP) })
	w.await("the box looks for its node", func(f frame) bool {
		return f.vlan == serviceTag && arpFrom(f, 1, site.BoxAddress) && netip.AddrFrom4([4]byte(f.payload[24:28])) == b.NodeAddress(0)
	})
	b.waitUp()
	if lines := b.awaitWord(fmt.Sprintf("ip addr show service.%d", serviceTag), site.VIP.String()); !strings.Contains(lines, site.BoxAddress.String()) {
		t.Errorf("the interface of the VLAN has not both addresses:\n%s", lines)
	}

	office := b.openTrunk(b.image.Office, "office", managementTag)
	box := office.await("the box answers for its management address", func(f frame) bool {
		return f.vlan == managementTag && arpFrom(f, 2, site.ManagementAddress)
	}, func() { office.ask(site.OfficeAddress, site.ManagementAddress) }).source
	office.await("the web UI answers in the VLAN", func(f frame) bool {
		return f.vlan == managementTag && accepts(f, 443)
	}, func() { office.knock(box, site.OfficeAddress, site.ManagementAddress, 443) })
}
