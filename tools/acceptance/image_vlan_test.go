package acceptance

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/tools/lab/site"
)

const vlan = 12

// trunk is the wire of the box as a switch sees it, with the VLAN's tags.
type trunk struct {
	*boxed
	fd    int
	index int
}

func (b *boxed) openTrunk() *trunk {
	b.Helper()
	w := &trunk{boxed: b}
	b.must(b.Switch.Do(func() (err error) {
		link, err := net.InterfaceByName(site.BoxCable)
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
func (w *trunk) await(what string, is func(frame) bool) frame {
	w.Helper()
	buf, oob := make([]byte, 2048), make([]byte, 256)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
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

// ask sends a tagged ARP request as a printer in the VLAN does.
func (w *trunk) ask(wanted netip.Addr) {
	w.Helper()
	asker := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	who := site.MFDAddress(0).As4()
	target := wanted.As4()
	b := append(net.HardwareAddr{255, 255, 255, 255, 255, 255}, asker...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_8021Q)
	b = binary.BigEndian.AppendUint16(b, vlan)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_ARP)
	b = append(b, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(append(b, asker...), who[:]...)
	b = append(append(b, 0, 0, 0, 0, 0, 0), target[:]...)
	w.must(unix.Sendto(w.fd, b, 0, &unix.SockaddrLinklayer{Ifindex: w.index}))
}

// arpFrom reports whether a frame is an ARP packet of an operation (1 request, 2
// reply) that names this sender.
func arpFrom(f frame, operation uint16, sender netip.Addr) bool {
	return f.kind == unix.ETH_P_ARP && len(f.payload) >= 28 && binary.BigEndian.Uint16(f.payload[6:]) == operation &&
		netip.AddrFrom4([4]byte(f.payload[14:18])) == sender
}

func TestImageServesInAVLAN(t *testing.T) {
	b := openBoxed(t, site.Options{Nodes: 1, MFDs: 1}, func(s *site.Site) string {
		return s.BoxConfig(s.Config(`checks.interval = "1s"`, `checks.timeout = "500ms"`, `checks.up_delay = "10s"`), fmt.Sprintf("vlan = %d", vlan))
	})
	w := b.openTrunk()
	w.await("the virtual address is announced", func(f frame) bool {
		return f.vlan == vlan && (arpFrom(f, 1, site.VIP) || arpFrom(f, 2, site.VIP))
	})
	w.ask(site.VIP)
	w.await("the box answers for the virtual address", func(f frame) bool {
		return f.vlan == vlan && arpFrom(f, 2, site.VIP) && netip.AddrFrom4([4]byte(f.payload[24:28])) == site.MFDAddress(0)
	})
	w.await("the box looks for its node", func(f frame) bool {
		return f.vlan == vlan && arpFrom(f, 1, site.BoxAddress) && netip.AddrFrom4([4]byte(f.payload[24:28])) == b.NodeAddress(0)
	})
	b.waitUp()
	if lines := b.awaitWord(fmt.Sprintf("ip addr show service.%d", vlan), site.VIP.String()); !strings.Contains(lines, site.BoxAddress.String()) {
		t.Errorf("the interface of the VLAN has not both addresses:\n%s", lines)
	}
}
