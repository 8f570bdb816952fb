package engine

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
)

// meets is what becomes of an MFD's connection to a node.
func (b *box) meets(node string, ev dataplane.Event) {
	b.Helper()
	m := b.member(node)
	b.next++
	ev.ID, ev.VirtualAddress, ev.Mark = b.next, m.group.VirtualAddress, dataplane.Mark(m.id)
	if !ev.Client.IsValid() {
		ev.Client = mfd
	}
	opened := ev
	opened.Kind, opened.Refused, opened.Replied = dataplane.Opened, false, false
	b.connections(dataplane.Batch{Events: []dataplane.Event{opened, ev}})
	b.turn()
}

var (
	refuses5610 = dataplane.Event{Kind: dataplane.Closed, Refused: true, Port: 5610}
	serves5610  = dataplane.Event{Kind: dataplane.Closed, Replied: true, Port: 5610}
)

// often has an MFD meet the same for longer than finding a dead node takes, while
// the probes are answered.
func (b *box) often(node string, ev dataplane.Event) {
	b.Helper()
	for i := range 6 {
		ev.Client = [...]netip.Addr{mfd, mfd.Next()}[i%2]
		b.meets(node, ev)
		b.round(api.Open)
	}
}

func TestMistakeIsToldOnceShownAndCleared(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.often("198.18.0.11", refuses5610)
	b.wantTold(event.NodePort, "warning: node A refuses port 5610 to MFDs")
	shown := b.last().Groups[0].Mistakes
	if len(shown) != 1 || shown[0].Kind != event.NodePort || shown[0].Node != "A" || !shown[0].Since.After(start) {
		t.Errorf("shown are %+v", shown)
	}
	if open := b.book.Open(); len(open) != 1 || open[0].Kind != event.NodePort || open[0].Title != "Node A refuses port 5610 to MFDs, although its checks are answered" {
		t.Errorf("open incidents are %+v", open)
	}
	if h := b.node("A").Health; h != api.Up {
		t.Errorf("A is %s", h)
	}
	b.meets("198.18.0.11", serves5610)
	b.wantTold(event.NodePort, "warning: ", "notice: node A serves MFDs on port 5610 now")
	if shown := b.last().Groups[0].Mistakes; len(shown) > 0 {
		t.Errorf("still shown are %+v", shown)
	}
	if open := b.book.Open(); len(open) > 0 {
		t.Errorf("open incidents are still %+v", open)
	}
}

func TestPortsThatAnFTPServerPicksAreNoMistakes(t *testing.T) {
	b := newBox(t, twoNodes+`passive_ports = "50000-50100"`)
	b.round(api.Open)
	data, tls := refuses5610, refuses5610
	data.Related, tls.Port = true, 50007
	b.often("198.18.0.11", data)
	b.often("198.18.0.11", tls)
	b.wantTold(event.NodePort)
}

func TestMistakeOfARemovedNodeIsOver(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.often("198.18.0.12", refuses5610)
	b.text = strings.Replace(twoNodes, `, { address = "198.18.0.12" }`, "", 1)
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.wantTold(event.NodePort, "warning: node B refuses", "notice: no longer configured")
}

func TestManyConnectionsOfOneAddressAreCountedAsTheyOpenAndClose(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	var numbers []uint64
	for range 45 {
		numbers = append(numbers, b.open(mfd, "198.18.0.11"))
	}
	for _, n := range numbers[:10] { // before it counts
		b.shut(n, mfd, "198.18.0.11")
	}
	b.pass(time.Minute)
	b.wantTold(event.ClientShared)
	for range 10 {
		b.open(mfd, "198.18.0.11")
	}
	b.pass(time.Minute)
	b.wantTold(event.ClientShared, "warning: MFDs arrive behind one address: more connections are open at once from 198.18.1.20 than one MFD has (45, on node A)")
}

func TestMFDThatSendsNoScansIsFoundAmongThoseThatDo(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 5 {
		client := mfd
		for range 9 {
			number := b.open(client, "198.18.0.11") // a terminal port, idle before
			if client != mfd {
				b.meets("198.18.0.11", dataplane.Event{Kind: dataplane.Closed, Replied: true, Port: 21, Client: client})
			}
			b.shut(number, client, "198.18.0.11")
			client = client.Next()
		}
		b.at = b.at.Add(24 * time.Hour)
		b.pass(time.Second)
	}
	b.wantTold(event.ClientScans, "warning: MFD 198.18.1.20 has not sent one scan through the virtual address in 5 days of work, and 8 others do")
}

func TestOnlyBoundMFDsBypassTheBoxAndOnlyOnPassedPorts(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.11")
	node := netip.MustParseAddr("198.18.0.12")
	for _, s := range []dataplane.Sighting{
		{Node: netip.AddrPortFrom(node, 21), Client: mfd.Next()}, // an administrator
		{Node: netip.AddrPortFrom(node, 445), Client: mfd},       // the print queue
		{Node: netip.AddrPortFrom(mfd, 21), Client: mfd},         // another server
	} {
		b.sighted(s)
	}
	b.wantTold(event.ClientBypass)
	b.sighted(dataplane.Sighting{Node: netip.AddrPortFrom(node, 5610), Client: mfd})
	b.wantTold(event.ClientBypass, "warning: MFD 198.18.1.20 uses 198.18.0.12, node B's own address")
}

func TestAnnouncedPortsThatFollowTheBindingAreNoMistake(t *testing.T) {
	b := newBox(t, twoNodes+`passive_ports = "50000-50100"`)
	b.round(api.Open)
	at := netip.MustParseAddrPort("198.18.0.11:21")
	b.sighted(dataplane.Sighting{Node: at, Announced: netip.AddrPortFrom(vip, 50100)})
	b.wantTold(event.NodeFTPAddress)
	b.sighted(dataplane.Sighting{Node: at, Announced: netip.AddrPortFrom(vip, 50101)})
	b.wantTold(event.NodeFTPAddress, "warning: the FTP server of node A announces the virtual address")
}

// An MFD that is served in time is not asked after again; one that is not has the
// node probed at once.
func TestComplaintIsOpenUntilEveryPortHasAnswered(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	m := b.member("198.18.0.11")
	b.meets("198.18.0.11", serves5610)
	if m.complaints.Open() {
		t.Error("an MFD that was served complains")
	}
	b.meets("198.18.0.11", refuses5610)
	if !m.complaints.Open() || b.member("198.18.0.12").complaints.Open() {
		t.Error("a refused MFD complains of its node, and of no other")
	}
	b.probe("198.18.0.11", api.Open)
	if m.complaints.Open() {
		t.Error("every port has answered since")
	}
}

// Whatever ended the balancer, and whatever the box has forgotten since: a port that has
// answered once is none that never was there.
func TestPortThatAnsweredBeforeARestartIsNotCalledMissing(t *testing.T) {
	refusesFor := func(b *box, rounds int) {
		for range rounds {
			b.round(api.Refused, "198.18.0.11")
		}
	}
	for name, restart := range map[string]func(*box){
		"of the balancer": func(*box) {},
		"of the balancer while the node is Down": func(b *box) {
			refusesFor(b, 4)
		},
		"of the box": func(b *box) { b.kernel = newFakeKernel() },
		"after an update": func(b *box) {
			if err := os.Remove(filepath.Join(b.dir, everOpenName)); err != nil {
				b.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, twoNodes)
			b.round(api.Open)
			b.settle()
			restart(b)
			b.restart()
			refusesFor(b, 80)
			b.wantTold(event.NodeCheck)
		})
	}
	// That another one was never there is as true as before.
	b := newBox(t, twoNodes)
	b.round(api.Refused, "198.18.0.11")
	b.restart()
	refusesFor(b, 80)
	b.wantTold(event.NodeCheck, "warning: node A has refused its checks on port 5555 ever since", "warning: node A has refused its checks on port 5022 and 5555 ever since")
}

// What a site was told stays told, and is over by the first good sign after a restart.
func TestMistakeIsToldNeitherAgainNorForLongerThanItLastsAfterARestart(t *testing.T) {
	for name, c := range map[string]struct {
		kind         string
		make, repair func(*box)
	}{
		"a checked port": {event.NodeCheck, func(b *box) {
			for range 40 {
				b.probe("198.18.0.11", api.Refused)
				b.pass(5 * time.Second)
			}
		}, func(b *box) { b.round(api.Open) }},
		"a passed port": {event.NodePort, func(b *box) { b.often("198.18.0.11", refuses5610) },
			func(b *box) { b.meets("198.18.0.11", serves5610) }},
	} {
		for where, restart := range map[string]func(*box){
			"of the balancer": func(*box) {},
			"of the box":      func(b *box) { b.kernel = newFakeKernel() },
		} {
			t.Run(name+", restart "+where, func(t *testing.T) {
				b := newBox(t, twoNodes)
				b.probe("198.18.0.12", api.Open)
				c.make(b)
				told := b.told(c.kind)
				shown := b.last().Groups[0].Mistakes
				if len(told) == 0 || len(shown) != 1 {
					t.Fatalf("told %q, shown %+v", told, shown)
				}
				for range 2 {
					restart(b)
					b.killed()
					c.make(b)
					b.pass(5 * time.Minute)
					b.wantTold(c.kind, told...)
					again := b.last().Groups[0].Mistakes
					if len(again) != 1 || again[0] != shown[0] {
						t.Errorf("shown %+v, was %+v", again, shown)
					}
				}
				if open := b.last().Incidents; len(open) == 0 {
					t.Error("it lasts and is no incident")
				}
				restart(b)
				b.killed()
				c.repair(b)
				if got := b.told(c.kind); len(got) != len(told)+1 || !strings.HasPrefix(got[len(told)], "notice: ") || len(b.last().Groups[0].Mistakes) > 0 {
					t.Errorf("repaired while the balancer was away, told %q, shown %+v", got, b.last().Groups[0].Mistakes)
				}
				if l := b.last().Incidents; len(l) > 0 && l[0].Kind == c.kind {
					t.Errorf("still an incident: %+v", l)
				}
				b.killed()
				b.pass(time.Minute)
				if got := b.last().Groups[0].Mistakes; len(got) > 0 {
					t.Errorf("it is over, and shown after the next restart: %+v", got)
				}
			})
		}
	}
}

// The mistake advises to take the port out: that ends it, also while the balancer is away.
func TestPortThatIsTakenOutOfTheConfigurationIsNoMistakeAnyMore(t *testing.T) {
	for name, follow := range map[string]func(*box){"reload": func(b *box) { b.reload() }, "restart": (*box).killed} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, twoNodes)
			b.round(api.Open)
			b.often("198.18.0.11", refuses5610)
			b.text = strings.Replace(twoNodes, "node =", "ports = [\"5011-5025\", 21]\nnode =", 1)
			follow(b)
			b.wantTold(event.NodePort, "warning: ", "notice: port 5610 is not passed to node A any more")
			if open := b.book.Open(); len(open) > 0 {
				t.Errorf("open are %+v", open)
			}
		})
	}
}
