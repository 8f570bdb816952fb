package flight

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/health"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/netns/rig"
)

var (
	boxIP4, nodeIP4 = netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")
	boxIP6, nodeIP6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

const (
	testMark = 0x50000
	spoc     = 5555
	ts       = 5022
)

// bench is a box with a recorder and a node on one wire. The box's link is a port
// of a bridge, which would show each packet twice to whoever looks at interfaces.
type bench struct {
	rig.Rig
	box, node *netns.Namespace
	recorder  *Recorder
	taken     chan struct{} // the recorder has been given a packet
	prober    *health.Prober
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{Rig: rig.Rig{TB: t}, taken: make(chan struct{}, 1)}
	b.box, b.node = b.Namespace(), b.Namespace()
	b.Must(netns.Pair(b.box, "port", b.node, "node"))
	b.Must(b.box.Bridge("box", "port"))
	b.Shell(b.box, "ip addr add 198.18.0.1/24 dev box && ip addr add 2001:db8::1/64 dev box nodad")
	b.Shell(b.node, "ip addr add 198.18.0.2/24 dev node && ip addr add 2001:db8::2/64 dev node nodad")
	// What package dataplane installs, which has no IPv6 yet: no bare ACK of a probe leaves
	// the box, and whatever else is a probe's is copied.
	b.Shell(b.box, fmt.Sprintf(`nft 'table inet guard {
		chain out { type filter hook output priority 0; meta mark %#x tcp flags & (syn | ack | fin | rst) == ack drop; meta l4proto tcp %[2]s; }
		chain in { type filter hook input priority 0; meta l4proto { tcp, icmp, icmpv6 } %[2]s; }
	}'`, testMark, fmt.Sprintf("log group %d snaplen %d", dataplane.ProbeGroup, dataplane.Recorded)))
	b.recorder = NewRecorder(time.Now)
	b.follow()
	b.prober = &health.Prober{Mark: testMark, Now: time.Now, Departs: b.recorder.Depart, Source: func(n netip.Addr) netip.Addr {
		if n.Is4() {
			return boxIP4
		}
		return boxIP6
	}}
	return b
}

// follow has the recorder given what is copied, until the end of the test.
func (b *bench) follow() {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	begun, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- b.box.Do(func() error {
			return dataplane.FollowProbes(ctx, func() { close(begun) }, func(at time.Time, head []byte) {
				b.recorder.Take(at, head)
				select {
				case b.taken <- struct{}{}:
				default:
				}
			})
		})
	}()
	b.Cleanup(func() {
		stop()
		b.Must(<-ended)
	})
	select {
	case <-begun:
	case err := <-ended:
		ended <- err // for the end of the test
		b.Fatal(err)
	}
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

// probe makes n probes of a port of the node, one after the other, and waits until the
// record has the ends of all.
func (b *bench) probe(n int, node netip.Addr, port uint16) (last api.Probe) {
	b.Helper()
	for range n {
		last = b.send(node, port)
	}
	b.landed(node)
	return last
}

// send makes one probe, recorded as the balancer does.
func (b *bench) send(node netip.Addr, port uint16) (p api.Probe) {
	b.Helper()
	target := netip.AddrPortFrom(node, port)
	b.Must(b.box.Do(func() error {
		p = b.prober.Probe(context.Background(), target)
		b.recorder.Land(target, p)
		return nil
	}))
	return p
}

// landed waits until the end of each probe that was answered is in the record.
func (b *bench) landed(node netip.Addr) {
	b.Helper()
	b.await(node, "the ends of all", func(flights []api.Flight, _ uint64) bool {
		return !slices.ContainsFunc(flights, func(f api.Flight) bool { return f.Outcome == api.Open && f.RST.IsZero() && f.FIN.IsZero() })
	})
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

// await waits until the flights of a node are as wanted.
func (b *bench) await(node netip.Addr, what string, is func([]api.Flight, uint64) bool) {
	b.Helper()
	late := time.After(20 * time.Second)
	for !is(b.recorder.Flights(node)) {
		select {
		case <-b.taken:
		case <-late:
			flights, repeats := b.recorder.Flights(node)
			b.Fatalf("%s: %d repetitions, %d flights, the last %+v", what, repeats, len(flights), flights[len(flights)-1])
		}
	}
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

func TestPacketThatPassesTwoInterfacesIsTakenOnce(t *testing.T) {
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
	b.await(nodeIP4, "the FIN", func(flights []api.Flight, _ uint64) bool { return !flights[len(flights)-1].FIN.IsZero() })
	flights, _ := b.recorder.Flights(nodeIP4)
	for _, f := range flights[:len(flights)-1] {
		if !f.FIN.IsZero() {
			t.Errorf("a probe ended with a FIN: %+v", f)
		}
	}
}
