package flight

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
	"spoolgate/firmware/health"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/netns/rig"
)

var (
	boxIP4, nodeIP4 = netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")
	boxIP6, nodeIP6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	virtual         = netip.MustParseAddr("198.18.0.10")
)

const (
	testMark = 0x50000
	spoc     = 5555
	ts       = 5022
)

// bench is a box with a recorder and a node on one wire. The box's link is a port
// of a bridge, so that each packet is seen twice, as on a VLAN interface and the
// one below it.
type bench struct {
	rig.Rig
	box, node *netns.Namespace
	recorder  *Recorder
	prober    *health.Prober
	logged    bytes.Buffer
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{Rig: rig.Rig{TB: t}}
	b.box, b.node = b.Namespace(), b.Namespace()
	b.Must(netns.Pair(b.box, "port", b.node, "node"))
	b.Must(b.box.Bridge("box", "port"))
	b.Shell(b.box, "ip addr add 198.18.0.1/24 dev box && ip addr add 198.18.0.10/32 dev box && ip addr add 2001:db8::1/64 dev box nodad")
	b.Shell(b.node, "ip addr add 198.18.0.2/24 dev node && ip addr add 2001:db8::2/64 dev node nodad")
	// What package dataplane installs: no bare ACK of a probe leaves the box.
	b.Shell(b.box, fmt.Sprintf("nft 'table inet guard { chain out { type filter hook output priority 0; meta mark %#x tcp flags & (syn | ack | fin | rst) == ack drop; }; }'", testMark))
	b.recorder = NewRecorder(time.Now, slog.New(slog.NewTextHandler(&b.logged, nil)))
	t.Cleanup(func() { b.recorder.Close() })
	b.prober = &health.Prober{Mark: testMark, Now: time.Now, Departs: b.recorder.Depart, Source: func(n netip.Addr) netip.Addr {
		if n.Is4() {
			return boxIP4
		}
		return boxIP6
	}}
	return b
}

// listen serves ports of the node; what comes through a handshake is closed.
func (b *bench) listen(ports ...uint16) {
	b.Helper()
	for _, port := range ports {
		l, err := b.node.Listen(netip.AddrPortFrom(netip.IPv6Unspecified(), port))
		b.Must(err)
		b.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
	}
}

// probe makes n probes of a port of the node, one after the other, recorded as the
// balancer does.
func (b *bench) probe(n int, node netip.Addr, port uint16) (last api.Probe) {
	b.Helper()
	target := netip.AddrPortFrom(node, port)
	b.Must(b.box.Do(func() error {
		for range n {
			last = b.prober.Probe(context.Background(), target)
			b.recorder.Land(target, last)
		}
		return nil
	}))
	return last
}

// answered waits for the first answer: neighbour discovery may eat the packets
// before it.
func (b *bench) answered(node netip.Addr, port uint16) {
	b.Helper()
	for range 5 {
		if b.probe(1, node, port).Outcome == api.Open {
			return
		}
	}
	b.Fatalf("%s does not answer on port %d", node, port)
}

// await waits until the flights of the node are as wanted.
func (b *bench) await(what string, is func([]api.Flight, uint64) bool) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if is(b.recorder.Flights(nodeIP4)) {
			return
		}
		time.Sleep(20 * time.Millisecond) // the kernel tells nobody that the node has repeated itself
	}
	flights, repeats := b.recorder.Flights(nodeIP4)
	b.Fatalf("%s: %d repetitions, %d flights, the last %+v", what, repeats, len(flights), flights[len(flights)-1])
}

func TestEachProbeHasTheTimesOfItsThreePackets(t *testing.T) {
	b := newBench(t)
	b.listen(spoc, ts)
	for _, node := range []netip.Addr{nodeIP4, nodeIP6} {
		b.answered(node, ts)
		before, _ := b.recorder.Flights(node)
		b.probe(20, node, ts)
		p := b.probe(1, node, spoc)
		flights, repeats := b.recorder.Flights(node)
		flights = flights[len(before):]
		if len(flights) != 21 || repeats != 0 {
			t.Fatalf("%s: %d flights, %d repetitions", node, len(flights), repeats)
		}
		for i, f := range flights {
			want := uint16(ts)
			if i == 20 {
				want = spoc
			}
			if f.Port != want || f.SourcePort == 0 || f.Outcome != api.Open || f.Resent != 0 || f.Repeats != 0 {
				t.Errorf("%s: %+v", node, f)
			}
			if f.SYN.Before(f.Time) || !f.SYNACK.After(f.SYN) || !f.RST.After(f.SYNACK) || f.RST.Sub(f.Time) > time.Second {
				t.Errorf("%s: began %v, then %v, %v and %v after it", node, f.Time, f.SYN.Sub(f.Time), f.SYNACK.Sub(f.Time), f.RST.Sub(f.Time))
			}
		}
		if last := flights[20]; last.SourcePort != p.SourcePort {
			t.Errorf("the flight is from port %d, the probe was from %d", last.SourcePort, p.SourcePort)
		}
	}
}

// The bridge of the bench shows each packet twice.
func TestPacketSeenAtTwoInterfacesCountsOnce(t *testing.T) {
	b := newBench(t)
	b.listen(ts)
	b.answered(nodeIP4, ts)
	b.probe(10, nodeIP4, ts)
	flights, _ := b.recorder.Flights(nodeIP4)
	if got := len(b.recorder.packets(nodeIP4)); got != 3*len(flights) {
		t.Errorf("%d packets of %d probes", got, len(flights))
	}
}

func TestRefusalAndSilenceAreFlightsToo(t *testing.T) {
	b := newBench(t)
	b.probe(1, nodeIP4, ts)
	refused := b.probe(1, nodeIP4, ts)
	b.Shell(b.node, "nft 'table inet f { chain in { type filter hook input priority 0; tcp dport 5022 reject with icmpx type admin-prohibited; tcp dport 5555 drop; }; }'")
	prohibited := b.probe(1, nodeIP4, ts)
	silent := b.probe(1, nodeIP4, spoc)
	b.prober.Source = func(netip.Addr) netip.Addr { return netip.Addr{} }
	nowhere := b.probe(1, nodeIP4, ts)
	flights, _ := b.recorder.Flights(nodeIP4)
	if len(flights) != 5 {
		t.Fatalf("%d flights", len(flights))
	}
	for i, p := range []api.Probe{refused, prohibited, silent, nowhere} {
		f := flights[i+1]
		if f.Outcome != p.Outcome || f.Detail != p.Detail || !f.SYNACK.IsZero() || f.SYN.IsZero() != (i == 3) {
			t.Errorf("%+v of %+v", f, p)
		}
	}
	resent := flights[3].Resent // once or twice within the time-out, as the kernel's age is
	if resent < 1 {
		t.Errorf("a silent node was asked again %d times within the time-out", resent)
	}
	packets := map[uint16]int{}
	for _, p := range b.recorder.packets(nodeIP4) {
		s, _ := parse(p.head)
		for _, port := range []uint16{s.from.Port(), s.to.Port()} {
			packets[port]++
		}
	}
	if packets[refused.SourcePort] != 2 || packets[prohibited.SourcePort] < 2 || packets[silent.SourcePort] != 1+resent {
		t.Errorf("packets by port: %v; refused %d, prohibited %d, silent %d", packets, refused.SourcePort, prohibited.SourcePort, silent.SourcePort)
	}
}

// Port 5022 is probed and passed: MFDs come from the virtual address, in a
// transparent group from their own, and in neither case to this process.
func TestTrafficOfMFDsNeverReachesTheProcess(t *testing.T) {
	b := newBench(t)
	b.listen(ts)
	b.answered(nodeIP4, ts)
	b.recorder.Flights(nodeIP4)
	for range 20 {
		c, err := b.box.Dial(t.Context(), virtual, netip.AddrPortFrom(nodeIP4, ts))
		b.Must(err)
		c.Close()
	}
	if got := b.waiting(); got != 0 {
		t.Errorf("%d packets of MFDs wait for the process", got)
	}
	// The filter is no wall: another probe is seen at once.
	b.Must(b.box.Do(func() error {
		b.prober.Probe(context.Background(), netip.AddrPortFrom(nodeIP4, ts))
		return nil
	}))
	if got := b.waiting(); got != 6 { // three packets, at two interfaces
		t.Errorf("%d packets of a probe wait, want 6", got)
	}
}

// waiting counts the packets that the filter let through.
func (b *bench) waiting() (n int) {
	b.Helper()
	for {
		_, ok, err := b.recorder.tap.next()
		b.Must(err)
		if !ok {
			return n
		}
		n++
	}
}

// The kernel copies each packet that leaves for a socket that looks at them.
func TestBoxLooksAtWhatLeavesItOnlyWhileAProbeDoes(t *testing.T) {
	b := newBench(t)
	b.listen(ts)
	b.answered(nodeIP4, ts)
	looks := func() bool {
		b.recorder.mu.Lock()
		defer b.recorder.mu.Unlock()
		ignore, err := unix.GetsockoptInt(b.recorder.tap.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING)
		b.Must(err)
		return ignore == 0
	}
	rest := func() {
		t.Helper()
		b.await("looks away", func([]api.Flight, uint64) bool { return !looks() })
	}
	rest()
	target := netip.AddrPortFrom(nodeIP4, spoc)
	b.recorder.Depart(netip.AddrPortFrom(boxIP4, 40000), target)
	b.recorder.Depart(netip.AddrPortFrom(boxIP4, 40001), target)
	b.recorder.Land(target, api.Probe{SourcePort: 40001, Outcome: api.Open})
	b.recorder.settled.Reset(0)
	time.Sleep(settleFor) // in which it must not look away
	if !looks() {
		t.Error("looks away while a probe is under way")
	}
	b.recorder.Land(target, api.Probe{SourcePort: 40000, Outcome: api.Open})
	rest()
	b.probe(1, nodeIP4, ts)
	flights, _ := b.recorder.Flights(nodeIP4)
	if f := flights[len(flights)-1]; f.SYN.IsZero() || f.RST.IsZero() {
		t.Errorf("the next probe: %+v", f)
	}
}

func TestTcpdumpReadsTheCapture(t *testing.T) {
	b := newBench(t)
	b.listen(ts)
	b.answered(nodeIP4, ts)
	b.probe(5, nodeIP4, ts)
	flights, _ := b.recorder.Flights(nodeIP4)
	path := filepath.Join(t.TempDir(), "node.pcap")
	var file bytes.Buffer
	b.Must(b.recorder.WriteCapture(&file, nodeIP4))
	b.Must(os.WriteFile(path, file.Bytes(), 0o600))
	text, err := b.box.Output("tcpdump", "-n", "-tt", "--nano", "-r", path, "tcp")
	b.Must(err)
	for _, f := range flights {
		var flags []string
		for line := range strings.Lines(text) {
			if strings.Contains(line, fmt.Sprintf(".%d", f.SourcePort)) {
				_, after, _ := strings.Cut(line, "Flags ")
				flag, _, _ := strings.Cut(after, ",")
				flags = append(flags, flag)
			}
		}
		if got := strings.Join(flags, " "); got != "[S] [S.] [R.]" && got != "[S] [S.] [R]" {
			t.Errorf("port %d: %s\n%s", f.SourcePort, got, text)
		}
		if at := fmt.Sprintf("%d.%09d IP 198.18.0.1.%d > 198.18.0.2.5022: Flags [S]", f.SYN.Unix(), f.SYN.Nanosecond(), f.SourcePort); !strings.Contains(text, at) {
			t.Errorf("no line %q in\n%s", at, text)
		}
	}
}

func TestLostSocketEndsNoProbeAndIsOpenedAgain(t *testing.T) {
	b := newBench(t)
	b.listen(ts)
	b.answered(nodeIP4, ts)
	at := time.Now()
	b.recorder.now = func() time.Time { return at }
	// A descriptor that is no packet socket answers every read with an error.
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	b.Must(err)
	b.Must(unix.Dup3(null, b.recorder.tap.fd, unix.O_CLOEXEC))
	b.Must(unix.Close(null))
	for range 3 {
		if p := b.probe(1, nodeIP4, ts); p.Outcome != api.Open {
			t.Errorf("without a socket: %+v", p)
		}
	}
	flights, _ := b.recorder.Flights(nodeIP4)
	if f := flights[len(flights)-1]; f.Outcome != api.Open || !f.SYN.IsZero() {
		t.Errorf("without a socket: %+v", f)
	}
	at = at.Add(retryEvery)
	b.probe(1, nodeIP4, ts)
	flights, _ = b.recorder.Flights(nodeIP4)
	if f := flights[len(flights)-1]; f.SYN.IsZero() || f.RST.IsZero() {
		t.Errorf("with a new socket: %+v", f)
	}
	if got := b.logged.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "not recorded") || !strings.Contains(got, "recorded again") {
		t.Errorf("the log: %s", got)
	}
}

// A monitor that ended with a FIN would be found out: the requirement forbids it.
func TestConnectionThatEndsWithAFINIsRecordedAsOne(t *testing.T) {
	b := newBench(t)
	b.listen(ts)
	b.answered(nodeIP4, ts)
	b.Must(b.box.Do(func() error {
		from, to := netip.AddrPortFrom(boxIP4, 41000), netip.AddrPortFrom(nodeIP4, ts)
		b.recorder.Depart(from, to)
		c, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from)}).Dial("tcp", to.String())
		if err != nil {
			return err
		}
		if err := c.Close(); err != nil {
			return err
		}
		b.recorder.Land(to, api.Probe{Time: time.Now(), Outcome: api.Open, SourcePort: from.Port()})
		return nil
	}))
	b.await("the FIN", func(flights []api.Flight, _ uint64) bool { return !flights[len(flights)-1].FIN.IsZero() })
	flights, _ := b.recorder.Flights(nodeIP4)
	for _, f := range flights[:len(flights)-1] {
		if !f.FIN.IsZero() {
			t.Errorf("a probe ended with a FIN: %+v", f)
		}
	}
}
