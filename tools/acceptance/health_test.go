package acceptance

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
)

// B3: a capture on the node shows probes that are SYN, SYN-ACK and RST and
// nothing else, from the box's own address, evenly with jitter; accept() never
// returns one, not even on 5022, which printers use too.
func TestProbesAreHalfOpenFromOneSourceAndNeverAccepted(t *testing.T) {
	t.Parallel()
	// Long enough that a busy machine, which reads a packet late, shows no other gaps.
	const interval, rounds = time.Second, 12
	p := open(t, site.Options{Nodes: 1, MFDs: 1}, `checks.interval = "1s"`, `checks.timeout = "500ms"`)
	visitor := p.visit(p.MFDs[0], node.TS)
	talk := map[[2]netip.AddrPort][]string{} // flags, by both ends, of each probe between them
	begun := map[uint16][]time.Time{}
	words := map[byte]string{syn: "SYN ", syn | ack: "SYN-ACK ", rst: "RST ", rst | ack: "RST ", ack: "ACK ", fin | ack: "FIN "}
	p.capture(p.Nodes[0].Namespace, "eth0", func(s segment) bool {
		probed, own := s.to, s.from
		if s.from.Addr() == p.NodeAddress(0) {
			probed, own = s.from, s.to
		}
		if probed.Port() != node.SPOC && probed.Port() != node.TS || own.Addr() == site.VIP {
			return true // the visitor's
		}
		if own.Addr() != site.BoxAddress {
			t.Errorf("a probe from %s", own.Addr())
		}
		if s.flags == syn {
			begun[probed.Port()] = append(begun[probed.Port()], s.at)
		}
		ends := [2]netip.AddrPort{own, probed}
		said := talk[ends]
		if len(said) == 0 || s.flags == syn && strings.HasSuffix(said[len(said)-1], "RST ") {
			said = append(said, "")
		}
		said[len(said)-1] += words[s.flags]
		talk[ends] = said
		return len(begun[node.SPOC]) <= rounds || len(begun[node.TS]) <= rounds
	})
	whole := 0
	for ends, said := range talk {
		for _, heard := range said {
			if heard == "SYN SYN-ACK RST " {
				whole++
			} else if !strings.HasPrefix("SYN SYN-ACK RST ", heard) && !strings.HasSuffix("SYN SYN-ACK RST ", heard) {
				t.Errorf("probe from %s to %s: %s", ends[0], ends[1], heard)
			}
		}
	}
	if whole < 2*rounds-4 { // the first and the last may be cut off
		t.Errorf("only %d whole probes", whole)
	}
	// A machine that stands still for some seconds stretches a gap and crams those
	// after it: the median tells, and the jitter of all.
	for port, at := range begun {
		var gaps []time.Duration
		uneven := 0
		for i, b := range at[1:] {
			gap := b.Sub(at[i])
			gaps = append(gaps, gap)
			if gap < interval-time.Millisecond || gap > interval+time.Millisecond {
				uneven++
			}
		}
		slices.Sort(gaps)
		if median := gaps[len(gaps)/2]; median < interval*9/10 || median > interval*11/10 {
			t.Errorf("port %d is probed every %s, want %s; gaps %s", port, median, interval, gaps)
		}
		if uneven < rounds/4 {
			t.Errorf("port %d: only %d of %d gaps show jitter", port, uneven, len(gaps))
		}
	}
	p.must(visitor.Exchange())
	for port, want := range map[uint16]int{node.SPOC: 0, node.TS: 1} {
		if got, err := p.Nodes[0].Accepted(port); err != nil || got != want {
			t.Errorf("port %d: accept() returned %d connections, want %d (%v)", port, got, want, err)
		}
	}
}

// B4: one service that stops takes its node out, and the event names the port.
func TestOneStoppedServiceTakesTheNodeOutByName(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2})
	p.must(p.Nodes[0].StopService(node.SPOC))
	p.awaitEvent("the stopped service", 0, func(e api.Event) bool {
		return e.Kind == event.NodeHealth && e.Node == "A" && strings.Contains(e.Text, "port 5555 refused the connection 3 times in a row")
	})
	if n := p.awaitHealth(0, api.Down); n.Ports[0].Misses < 3 || n.Ports[1].Misses != 0 {
		t.Errorf("ports: %+v", n.Ports)
	}
	i := p.incidents("the incident", func(l []api.Incident) bool { return len(l) == 1 })[0]
	if !slices.Contains(i.Evidence, "port 5555 (SPOC Service) refused the connection") || !slices.Contains(i.Evidence, "port 5022 (Terminal Server) answered") {
		t.Errorf("the incident does not name the service: %+v", i)
	}
}

// B6: whatever way a firewall refuses, the node is Down, and the reason says
// which way.
func TestFirewallsThatDropOrRejectEachHaveTheirReason(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 3, MFDs: 0})
	for i, way := range []struct{ rule, reason, sign string }{
		{"drop", "port 5555 did not answer", ""},
		{"reject with tcp reset", "port 5555 refused the connection", ""},
		{"reject with icmp type admin-prohibited", "port 5555 could not be reached", " (prohibited by a firewall, says " + p.NodeAddress(2).String() + ")"},
	} {
		p.shell(i, "nft 'table ip fw { chain in { type filter hook input priority 0; tcp dport 5555 "+way.rule+"; }; }'")
		if i == 2 { // the last one: with nobody left the box would doubt itself
			p.shell(0, "nft flush table ip fw")
			p.awaitHealth(0, api.Up)
		}
		if n := p.awaitHealth(i, api.Down); !strings.HasPrefix(n.HealthReason, way.reason) || !strings.HasSuffix(n.HealthReason, " in a row"+way.sign) {
			t.Errorf("%s: %q, want %q and %q", way.rule, n.HealthReason, way.reason, way.sign)
		}
	}
}

// B7: two probes of three lost, again and again, never make a node Down; three
// in a row do.
func TestTwoOfThreeLostProbesNeverMakeANodeDown(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2})
	begin := p.now()
	p.shell(0, "nft 'table ip fw { chain in { type filter hook input priority 0; tcp dport 5555 tcp flags == syn numgen inc mod 3 != 2 drop; }; }'")
	lost, answered := 0, 0
	p.awaitNode(0, "is probed often", func(api.Node) bool {
		all, err := p.box.Probes(t.Context(), "print", "A")
		p.must(err)
		lost, answered = 0, 0
		for _, probe := range all[0].Probes {
			if probe.Outcome == api.Open {
				answered++
			} else {
				lost++
			}
		}
		return lost >= 20
	})
	if answered < lost/3 {
		t.Errorf("%d probes lost, %d answered", lost, answered)
	}
	events, err := p.box.Events(t.Context(), begin)
	p.must(err)
	for _, e := range events {
		if e.Kind == event.NodeHealth && strings.Contains(e.Text, "Down") {
			t.Errorf("after two lost probes: %s", e.Text)
		}
	}
	p.shell(0, "nft add rule ip fw in tcp dport 5555 drop")
	p.awaitHealth(0, api.Down)
}

// B8: a node that comes back is Starting for the whole up-delay from the first
// success; a failure in between starts the delay anew, and no printer reaches
// the node before.
func TestReturningNodeServesOnlyAfterAnUnbrokenUpDelay(t *testing.T) {
	t.Parallel()
	const delay = 1500 * time.Millisecond
	p := open(t, site.Options{Nodes: 2, MFDs: 40}, `checks.up_delay = "1500ms"`)
	p.must(p.Nodes[0].Kill())
	p.awaitHealth(0, api.Down)
	p.must(p.StartNode(0))
	first := p.awaitNode(0, "Starting, and answers", func(n api.Node) bool { return n.Health == api.Starting && !n.UpAt.IsZero() })
	p.must(p.Nodes[0].StopService(node.TS))
	p.awaitNode(0, "misses a probe", func(n api.Node) bool { return n.Ports[1].Misses > 0 && n.UpAt.IsZero() })
	anew := time.Now() // before it: a probe may be answered while StartService returns
	p.must(p.Nodes[0].StartService(node.TS))
	again := p.awaitNode(0, "answers again", func(n api.Node) bool { return n.Health == api.Starting && n.UpAt.After(first.UpAt) })
	if again.UpAt.Before(anew.Add(delay)) {
		t.Errorf("Up at %s, that is %s after it answered again; want %s", again.UpAt, again.UpAt.Sub(anew), delay)
	}
	for _, at := range p.landings(p.MFDs[:20], 5011) {
		if at != "B" {
			t.Errorf("a printer reached %s, which is Starting", at)
		}
	}
	up := p.awaitHealth(0, api.Up)
	if up.HealthSince.Before(again.UpAt) {
		t.Errorf("Up since %s, promised for %s", up.HealthSince, again.UpAt)
	}
	if at := p.landings(p.MFDs[20:21], 5011); at[0] != "A" {
		t.Errorf("the next printer went to %s; A has none", at[0])
	}
}

// B10: after a reboot of the box a node that is down is not used even once; one
// that was up all along is used at once, without the up-delay.
func TestRebootedBoxNeverUsesADownNodeAndOthersAtOnce(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 20}, `checks.up_delay = "10m"`)
	p.landings(p.MFDs, 5011)
	p.must(p.box.PowerOff())
	p.must(p.Nodes[0].Kill())
	wire := p.sniffer(p.Nodes[0].Namespace, "eth0")
	p.must(p.box.PowerOn())
	p.awaitHealth(1, api.Up)
	for _, at := range p.landings(p.MFDs, 5011) {
		if at != "B" {
			t.Errorf("a printer reached %s", at)
		}
	}
	p.awaitHealth(0, api.Down)
	p.must(wire.SetReadDeadline(time.Unix(1, 0)))
	p.must(wire.SetReadDeadline(time.Now().Add(50 * time.Millisecond))) // what has come is there already
	frame := make([]byte, 2048)
	for {
		size, _, err := wire.ReadFrom(frame)
		if err != nil {
			break
		}
		// Not every packet is a printer's: what the node still sends of connections
		// from before is reset.
		if s, ok := parse(frame[:size]); ok && s.from.Addr() == site.VIP && s.flags&syn != 0 {
			t.Errorf("a printer was sent to the node that is down: %s to %s", s.from, s.to)
		}
	}
}

// A node that the box has no way to, as while the box gets its addresses, is probed as
// soon as it has one, and not a round later.
func TestNodeIsProbedAsSoonAsTheBoxHasAWayToIt(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2}, slowly...)
	p.must(p.box.Configure(p.Config(append(slowly, fmt.Sprintf("node = [{ address = %q }]", p.NodeAddress(0)))...)))
	p.must(p.box.Reload())
	p.await("one node", func(s api.Snapshot) bool { return len(s.Groups[0].Nodes) == 1 })
	_, err := p.box.Namespace.Output("ip", "route", "add", "unreachable", p.NodeAddress(1).String())
	p.must(err)
	p.must(p.box.Configure(p.Config(slowly...)))
	p.must(p.box.Reload())
	p.await("no way to the node", func(s api.Snapshot) bool {
		nodes := s.Groups[0].Nodes
		return len(nodes) == 2 && len(nodes[1].Ports) > 0 && nodes[1].Ports[0].Outcome == api.NoRoute
	})
	_, err = p.box.Namespace.Output("ip", "route", "del", "unreachable", p.NodeAddress(1).String())
	p.must(err)
	p.awaitHealth(1, api.Starting)
}

// B10 behind a switch with a spanning tree, which forwards what the box sends only
// half a minute after its cable came up: nodes that were up all along are used as
// soon as it does.
func TestRebootedBoxBehindASlowSwitchUsesNodesAtOnce(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 4}, `checks.up_delay = "10m"`)
	before := p.landings(p.MFDs, 5011)
	p.await("all bound", func(s api.Snapshot) bool { return s.Groups[0].Clients == len(p.MFDs) })
	p.must(p.box.Stop()) // which writes who is where
	p.must(p.box.PowerOff())
	_, err := p.Switch.Output("nft", "table bridge learning { chain forward { type filter hook forward priority 0; policy drop; }; }")
	p.must(err)
	p.must(p.box.PowerOn())
	for i := range p.Nodes {
		var last time.Time
		for range 5 { // more than the misses that make a node Down
			last = p.awaitNode(i, "is absent again", func(n api.Node) bool {
				return n.Health == api.Unknown && n.Ports[0].Outcome == api.Absent && n.Ports[0].Last.After(last)
			}).Ports[0].Last
		}
	}
	_, err = p.Switch.Output("nft", "delete", "table", "bridge", "learning")
	p.must(err)
	p.awaitHealth(0, api.Up)
	p.awaitHealth(1, api.Up)
	p.same("behind the slow switch", before, p.landings(p.MFDs, 5012))
}
