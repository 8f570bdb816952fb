package flight

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// grounded is a recorder whose probes never leave the box.
func grounded() *Recorder {
	return NewRecorder(func() time.Time { return noon })
}

// land makes the n-th flight to a node; its time tells which.
func (r *Recorder) landNth(node netip.Addr, n int) {
	r.Land(netip.AddrPortFrom(node, ts), api.Probe{Time: noon.Add(time.Duration(n)), Outcome: api.NoRoute})
}

func (r *Recorder) wantNth(t *testing.T, node netip.Addr, first, last int) {
	t.Helper()
	got, _ := r.Flights(node)
	if len(got) != last-first+1 {
		t.Fatalf("%d flights, want those from %d to %d", len(got), first, last)
	}
	for i, f := range got {
		if !f.Time.Equal(noon.Add(time.Duration(first + i))) {
			t.Fatalf("flight %d is number %d", i, f.Time.Sub(noon))
		}
	}
}

func TestLastThousandProbesOfANodeAreKeptOldestFirst(t *testing.T) {
	r := grounded()
	for i := range 2345 {
		r.landNth(nodeIP4, i)
		r.landNth(nodeIP6, 2*i)
	}
	r.wantNth(t, nodeIP4, 1345, 2344)
	if got := cap(r.nodes[nodeIP4].flights); got > perNode {
		t.Errorf("room for %d flights", got)
	}
}

func TestManyNodesShareTheMemory(t *testing.T) {
	r := grounded()
	for i := range 1500 {
		r.landNth(nodeIP4, i)
	}
	nodes := []netip.Addr{nodeIP4}
	for a := netip.MustParseAddr("198.18.4.0"); len(nodes) < 256; a = a.Next() {
		nodes = append(nodes, a)
	}
	r.Keep(nodes)
	r.wantNth(t, nodeIP4, 1250, 1499)
	for i := range 600 {
		r.landNth(nodeIP4, 1500+i)
	}
	r.wantNth(t, nodeIP4, 1850, 2099)
	r.Keep(nodes[:2])
	for i := range 900 {
		r.landNth(nodeIP4, 2100+i)
	}
	r.wantNth(t, nodeIP4, 2000, 2999)
	r.Keep(nodes[1:])
	if got, _ := r.Flights(nodeIP4); len(got) != 0 {
		t.Errorf("%d flights of a node that is not configured any more", len(got))
	}
}

func TestPacketsOfOneProbeNeverTakeMoreThanTheirRoom(t *testing.T) {
	b := &book{limit: perNode}
	own := netip.AddrPortFrom(boxIP4, 40000)
	f := b.add(flight{from: own, port: ts})
	head := make([]byte, 60)
	for i := range 200 {
		flags, way := byte(syn|ack), inward
		if i == 0 {
			flags, way = rst, outward
		}
		b.take(packet{at: int64(i + 1), length: 60, head: head}, segment{flags: flags}, own, ts, way)
	}
	if len(f.packets) > mostPacketBytes || cap(f.packets) > mostPacketBytes || f.repeats != 198 || b.repeats != 198 {
		t.Errorf("%d bytes, room for %d, %d repetitions", len(f.packets), cap(f.packets), f.repeats)
	}
	allocated := testing.AllocsPerRun(100, func() {
		b.add(flight{from: own, port: ts}).keep(packet{head: head})
	})
	if allocated > 2 {
		t.Errorf("%.0f allocations a flight", allocated)
	}
}

func TestStubbornnessNeedsMoreThanHalfOfManyAnswers(t *testing.T) {
	for _, c := range []struct {
		answered, repeated int
		want               bool
	}{{19, 19, false}, {20, 10, false}, {20, 11, true}, {100, 50, false}, {100, 51, true}} {
		b := &book{limit: perNode}
		for i := range c.answered {
			f := b.add(flight{port: ts, synack: 1, rst: 2})
			if i < c.repeated {
				f.repeats = 1
			}
			b.add(flight{port: ts}) // one that nobody answered
		}
		b.judge()
		if b.stubborn != c.want {
			t.Errorf("%d of %d: stubborn %v", c.repeated, c.answered, b.stubborn)
		}
	}
}

// A SYN-ACK that comes again before our RST left was lost on its way, or the box was
// slow: that is no fault of the node.
func TestOnlyRepetitionsAfterOurResetCount(t *testing.T) {
	b := &book{limit: perNode}
	own := netip.AddrPortFrom(boxIP4, 40000)
	f := b.add(flight{from: own, port: ts, begun: 1})
	at := int64(0)
	see := func(flags byte, way int) {
		at++
		b.take(packet{at: at}, segment{flags: flags}, own, ts, way)
	}
	see(syn, outward)
	see(syn, outward)
	see(syn|ack, inward)
	see(syn|ack, inward)
	see(rst|ack, outward)
	if f.resent != 1 || f.repeats != 0 || b.repeats != 0 {
		t.Errorf("before the RST: %+v", f)
	}
	see(syn|ack, inward)
	see(rst, outward)
	see(syn|ack, inward)
	if told := f.told(); told.Repeats != 2 || b.repeats != 2 || told.SYN.UnixNano() != 1 || told.SYNACK.UnixNano() != 3 || told.RST.UnixNano() != 5 {
		t.Errorf("after it: %+v", told)
	}
}

// A SYN to a node that is not there waits for an answer to ARP and never leaves.
func TestProbeOfAnAbsentNodeHasNoPackets(t *testing.T) {
	own, node := netip.AddrPortFrom(boxIP4, 40000), netip.AddrPortFrom(nodeIP4, ts)
	for outcome, left := range map[api.Outcome]bool{api.Absent: false, api.TimedOut: true} {
		r := grounded()
		r.Depart(own, node)
		for range 2 {
			r.Take(time.Time{}, segmentOf(own, node, syn))
		}
		r.Land(node, api.Probe{Outcome: outcome, SourcePort: own.Port()})
		flights, _ := r.Flights(nodeIP4)
		if f := flights[0]; f.SYN.IsZero() == left || f.Resent != 0 == !left || len(r.packets(nodeIP4)) != 0 == !left {
			t.Errorf("%s: %+v, %d packets", outcome, f, len(r.packets(nodeIP4)))
		}
	}
}

// A repeated SYN is stamped when its copy is read, which may be after its answer came.
func TestPacketsStayInTheOrderInWhichTheyWere(t *testing.T) {
	own, node := netip.AddrPortFrom(boxIP4, 40000), netip.AddrPortFrom(nodeIP4, ts)
	at := noon
	r := NewRecorder(func() time.Time { return at })
	r.Depart(own, node)
	r.Take(time.Time{}, segmentOf(own, node, syn))
	at = noon.Add(time.Second + 300*time.Microsecond)
	r.Take(time.Time{}, segmentOf(own, node, syn))
	came := noon.Add(time.Second + 100*time.Microsecond)
	r.Take(came, segmentOf(node, own, syn|ack))
	at = at.Add(time.Millisecond)
	r.Take(time.Time{}, segmentOf(own, node, rst))
	var order []byte
	for _, p := range r.packets(nodeIP4) {
		order = append(order, p.head[33])
	}
	if want := []byte{syn, syn, syn | ack, rst}; !bytes.Equal(order, want) {
		t.Errorf("the capture has flags %v, want %v", order, want)
	}
	if flights, _ := r.Flights(nodeIP4); !flights[0].SYNACK.Equal(came) {
		t.Errorf("the SYN-ACK came at %v, not %v", came, flights[0].SYNACK)
	}
}

// segmentOf is an IPv4 packet without data.
func segmentOf(from, to netip.AddrPort, flags byte) []byte {
	b := make([]byte, 40)
	b[0], b[3], b[ip4Protocol] = 0x45, 40, unix.IPPROTO_TCP
	copy(b[ip4From:], from.Addr().AsSlice())
	copy(b[ip4To:], to.Addr().AsSlice())
	binary.BigEndian.PutUint16(b[20:], from.Port())
	binary.BigEndian.PutUint16(b[22:], to.Port())
	b[32], b[33] = 0x50, flags
	return b
}
