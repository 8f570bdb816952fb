package health

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/netns/rig"
)

const testMark = 0x50000

// bench is a box and a node on one wire.
type bench struct {
	rig.Rig
	box, node *netns.Namespace
	prober    *Prober
	accepted  atomic.Int64
}

var (
	boxIP4, nodeIP4 = netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")
	boxIP6, nodeIP6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{Rig: rig.Rig{TB: t}}
	b.box, b.node = b.Namespace(), b.Namespace()
	b.Must(netns.Pair(b.box, "box", b.node, "node"))
	b.Shell(b.box, "ip addr add 198.18.0.1/24 dev box && ip addr add 2001:db8::1/64 dev box nodad && ip addr add 198.18.0.200/32 dev box")
	b.Shell(b.node, "ip addr add 198.18.0.2/24 dev node && ip addr add 2001:db8::2/64 dev node nodad")
	// What package dataplane installs.
	b.nft(b.box, fmt.Sprintf(`table inet guard {
		chain raw { type filter hook output priority raw; meta mark %#x notrack; ip daddr 198.18.0.2 tcp dport 5022 notrack; }
		chain pre { type filter hook prerouting priority raw; tcp sport 5022 notrack; }
		chain out { type filter hook output priority filter; meta mark %#x tcp flags & (syn | ack | fin | rst) == ack drop; }
	}`, testMark, testMark))
	b.prober = &Prober{Mark: testMark, Now: time.Now, Source: func(n netip.Addr) netip.Addr {
		if n.Is4() {
			return boxIP4
		}
		return boxIP6
	}}
	return b
}

func (b *bench) nft(n *netns.Namespace, ruleset string) {
	b.Helper()
	_, err := n.Output("nft", ruleset)
	b.Must(err)
}

// listen serves a port of the node and counts what accept() returns.
func (b *bench) listen(port uint16) {
	b.Helper()
	l, err := b.node.Listen(netip.AddrPortFrom(netip.IPv6Unspecified(), port))
	b.Must(err)
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
			b.accepted.Add(1)
		}
	}()
}

func (b *bench) probe(node netip.Addr) api.Probe {
	b.Helper()
	return b.probePort(netip.AddrPortFrom(node, 5022))
}

func (b *bench) probePort(target netip.AddrPort) (p api.Probe) {
	b.Helper()
	b.Must(b.box.Do(func() error {
		p = b.prober.Probe(context.Background(), target)
		return nil
	}))
	return p
}

// capture opens a packet socket on the node's wire; the returned function gives
// the TCP flags seen, such as "box SR node SA", and how often.
func (b *bench) capture() func() map[string]int {
	b.Helper()
	var fd int
	b.Must(b.node.Do(func() (err error) {
		all := uint16(unix.ETH_P_ALL)
		proto := int(all<<8 | all>>8)
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
		}
		return err
	}))
	b.Cleanup(func() { unix.Close(fd) })
	return func() map[string]int {
		seen := map[string]int{}
		buf := make([]byte, 2048)
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				return seen
			}
			if what := describe(buf[:n]); what != "" {
				seen[what]++
			}
		}
	}
}

func describe(p []byte) string {
	var tcp []byte
	var from netip.Addr
	switch {
	case len(p) > 40 && p[0]>>4 == 4 && p[9] == unix.IPPROTO_TCP:
		from, tcp = netip.AddrFrom4([4]byte(p[12:16])), p[int(p[0]&15)*4:]
	case len(p) >= 60 && p[0]>>4 == 6 && p[6] == unix.IPPROTO_TCP:
		from, tcp = netip.AddrFrom16([16]byte(p[8:24])), p[40:]
	default:
		return ""
	}
	who := "somebody"
	switch {
	case from == boxIP4 || from == boxIP6:
		who = "box"
	case from == nodeIP4 || from == nodeIP6:
		who = "node"
	}
	names := ""
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK"} {
		if tcp[13]&(1<<i) != 0 {
			names += " " + name
		}
	}
	return who + names
}

// onlyHalfOpen wants nothing on the wire but SYN, SYN-ACK and RST, and no accept.
func (b *bench) onlyHalfOpen(seen map[string]int) {
	b.Helper()
	for what, n := range seen {
		switch what {
		case "box SYN", "node SYN ACK", "box RST", "box RST ACK":
		default:
			b.Errorf("%d times %q on the wire", n, what)
		}
	}
	if n := b.accepted.Load(); n > 0 {
		b.Errorf("accept() of the node returned %d times", n)
	}
}

func TestNodeSeesOnlySynSynAckAndReset(t *testing.T) {
	b := newBench(t)
	b.listen(5022)
	// The first packets of a new wire may be lost to neighbour discovery.
	for _, node := range []netip.Addr{nodeIP4, nodeIP6} {
		for tries := 0; b.probe(node).Outcome != api.Open && tries < 5; tries++ {
		}
	}
	wire := b.capture()
	const rounds = 200
	for range rounds {
		for _, node := range []netip.Addr{nodeIP4, nodeIP6} {
			p := b.probe(node)
			if p.Outcome != api.Open {
				t.Fatalf("%v: %+v", node, p)
			}
			if p.RTT <= 0 || time.Duration(p.RTT) > time.Second {
				t.Errorf("%v: SYN to SYN-ACK took %v", node, time.Duration(p.RTT))
			}
		}
	}
	seen := wire()
	b.onlyHalfOpen(seen)
	if n := seen["box RST"] + seen["box RST ACK"]; n != 2*rounds || seen["box SYN"] != 2*rounds {
		t.Errorf("%d probes, and on the wire %v", 2*rounds, seen)
	}
}

func TestStalledBoxCompletesNoHandshake(t *testing.T) {
	b := newBench(t)
	b.listen(5022)
	wire := b.capture()
	var fds []int
	for range 10 {
		b.Must(b.box.Do(func() error {
			fd, err := b.prober.socket(nodeIP4, boxIP4)
			if err != nil {
				return err
			}
			fds = append(fds, fd)
			if err := unix.Connect(fd, sockaddr(netip.AddrPortFrom(nodeIP4, 5022))); err != unix.EINPROGRESS {
				return fmt.Errorf("connect: %w", err)
			}
			return nil
		}))
	}
	// The pause is what is tested: longer than the kernel delays an ACK, and than
	// the node waits before it repeats its SYN-ACK.
	time.Sleep(1500 * time.Millisecond)
	for _, fd := range fds {
		unix.Close(fd)
	}
	seen := wire()
	b.onlyHalfOpen(seen)
	if seen["box RST"]+seen["box RST ACK"] == 0 || seen["node SYN ACK"] <= 10 {
		t.Errorf("on the wire: %v", seen)
	}
}

// Each probe has a port to itself. A box probes a port every few seconds; here
// 300 begin at once, and two to one port may get the same source port within
// milliseconds. When the RST of the first is lost, the node takes the SYN of the
// second for one of the old connection, and resets it: "refused".
func TestLossOnTheWireCompletesNoHandshake(t *testing.T) {
	const n, firstPort = 300, 20000
	b := newBench(t)
	for i := range n {
		b.listen(uint16(firstPort + i))
	}
	wire := b.capture()
	for _, n := range []*netns.Namespace{b.box, b.node} {
		b.nft(n, "table inet loss { chain in { type filter hook prerouting priority -400; tcp flags & (syn | ack | rst) != 0 numgen random mod 100 < 20 drop; }; }")
	}
	outcomes := make(chan api.Probe)
	for i := range n {
		go func() { outcomes <- b.probePort(netip.AddrPortFrom(nodeIP4, uint16(firstPort+i))) }()
	}
	count := map[api.Outcome]int{}
	for range n {
		count[(<-outcomes).Outcome]++
	}
	b.onlyHalfOpen(wire())
	// A probe that loses its first SYN or SYN-ACK (36 %) and the second (36 %) fails.
	if count[api.Open] < n*3/4 || count[api.Open]+count[api.TimedOut] != n {
		t.Errorf("outcomes at 20 %% loss: %v", count)
	}
	t.Logf("outcomes at 20 %% loss: %v", count)
}

func TestEachRefusalHasItsOwnWord(t *testing.T) {
	b := newBench(t)
	reject := func(how string) func() {
		return func() {
			b.nft(b.node, "table inet f {}; flush table inet f; table inet f { chain in { type filter hook input priority 0; tcp dport 5022 "+how+"; }; }")
		}
	}
	for _, c := range []struct {
		name    string
		set     func()
		node    netip.Addr
		outcome api.Outcome
		detail  string
	}{
		{"nothing listens", func() {}, nodeIP4, api.Refused, ""},
		{"nothing listens, IPv6", func() {}, nodeIP6, api.Refused, ""},
		{"reset by a firewall", reject("reject with tcp reset"), nodeIP4, api.Refused, ""},
		{"dropped", reject("drop"), nodeIP4, api.TimedOut, ""},
		{"ICMP port", reject("reject with icmpx type port-unreachable"), nodeIP4, api.Unreachable, "port unreachable, says 198.18.0.2"},
		{"ICMP prohibited", reject("reject with icmpx type admin-prohibited"), nodeIP4, api.Unreachable, "prohibited by a firewall, says 198.18.0.2"},
		{"ICMP host", reject("reject with icmpx type host-unreachable"), nodeIP4, api.Unreachable, "host unreachable, says 198.18.0.2"},
		{"ICMPv6 port", reject("reject with icmpx type port-unreachable"), nodeIP6, api.Unreachable, "port unreachable, says 2001:db8::2"},
		{"ICMPv6 prohibited", reject("reject with icmpx type admin-prohibited"), nodeIP6, api.Unreachable, "prohibited by a firewall, says 2001:db8::2"},
		{"no route", func() {}, netip.MustParseAddr("198.19.0.1"), api.NoRoute, "network is unreachable"},
		{"route that says no", func() { b.Shell(b.box, "ip route add unreachable 198.19.1.0/24") }, netip.MustParseAddr("198.19.1.1"), api.NoRoute, "no route to host"},
		{"own packet filter", func() {
			b.nft(b.box, "table inet f { chain o { type filter hook output priority 0; ip daddr 198.18.0.3 drop; }; }")
		}, netip.MustParseAddr("198.18.0.3"), api.TimedOut, ""},
		{"address of the box is missing", func() {
			b.prober.Source = func(netip.Addr) netip.Addr { return netip.MustParseAddr("198.18.0.77") }
		}, nodeIP4, api.Failed, "bind to 198.18.0.77"},
		{"the box has no address", func() {
			b.prober.Source = func(netip.Addr) netip.Addr { return netip.Addr{} }
		}, nodeIP4, api.NoRoute, "no address to probe from"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.set()
			p := b.probe(c.node)
			if p.Outcome != c.outcome || !strings.Contains(p.Detail, c.detail) || c.detail == "" && p.Detail != "" {
				t.Errorf("%q (%s), want %q (%s)", p.Outcome, p.Detail, c.outcome, c.detail)
			}
		})
	}
}

func TestNodeThatIsOffIsAbsent(t *testing.T) {
	b := newBench(t)
	b.Shell(b.box, "ip route add 198.18.8.0/24 via 198.18.0.98 && ip route add 2001:db8:8::/64 via 2001:db8::98")
	for name, address := range map[string]string{
		"beside the box": "198.18.0.99", "behind a router that is off": "198.18.8.1",
		"IPv6": "2001:db8::99", "IPv6, behind a router that is off": "2001:db8:8::1",
	} {
		for _, patience := range []time.Duration{time.Second, 10 * time.Second} {
			t.Run(fmt.Sprintf("%s, %v", name, patience), func(t *testing.T) {
				b.Must(b.box.Do(func() error {
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					defer cancel()
					p := b.prober.Probe(ctx, netip.AddrPortFrom(netip.MustParseAddr(address), 5022))
					if p.Outcome != api.Absent || p.Detail != "" {
						t.Errorf("%+v", p)
					}
					return nil
				}))
			})
		}
	}
}

func TestCalledOffProbeTeachesNothing(t *testing.T) {
	b := newBench(t)
	b.nft(b.node, "table inet f { chain in { type filter hook input priority 0; tcp dport 5022 drop; }; }")
	ctx, cancel := context.WithCancel(context.Background())
	b.Must(b.box.Do(func() error {
		cancel()
		if p := b.prober.Probe(ctx, netip.AddrPortFrom(nodeIP4, 5022)); p.Outcome != api.Failed {
			t.Errorf("%+v", p)
		}
		return nil
	}))
}
