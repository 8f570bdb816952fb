package mistake

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/event"
)

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	vip  = netip.MustParseAddr("198.18.0.10")
	mfd  = netip.MustParseAddr("198.18.1.20")
)

// node is node B, Up for an hour.
func node(transparent bool) Node {
	return Node{Place: Place{"print", "B"}, VirtualAddress: vip, Address: netip.MustParseAddr("198.19.0.12"), Transparent: transparent,
		Gateway: netip.MustParseAddr("198.19.0.2"), UpSince: noon.Add(-time.Hour), Patience: 15 * time.Second, Startup: 3 * time.Minute,
		Checks: []uint16{5555, 5022}, Passes: func(uint16) bool { return true }}
}

// page is a book whose changes the test reads.
type page struct {
	*testing.T
	*Book
	n    Node
	now  time.Time
	told []Finding
	from netip.Addr // the client that calls next; the two take turns
	lone bool       // there is only one
}

// caller is who calls now.
func (p *page) caller() netip.Addr {
	client := p.from
	if p.from = mfd.Next(); client == p.from || p.lone {
		p.from = mfd
	}
	return client
}

func open(t *testing.T, transparent bool) *page {
	return &page{T: t, Book: NewBook(), n: node(transparent), now: noon, from: mfd}
}

func (p *page) after(d time.Duration) *page {
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(min(time.Second, end.Sub(p.now)))
		p.told = append(p.told, p.Tick(p.now)...)
	}
	return p
}

func (p *page) refused(port uint16) *page {
	p.told = append(p.told, p.Unserved(p.now, p.n, p.caller(), port, true)...)
	return p
}

func (p *page) silent(port uint16) *page {
	p.told = append(p.told, p.Unserved(p.now, p.n, p.caller(), port, false)...)
	return p
}

func (p *page) served(port uint16) *page {
	p.told = append(p.told, p.Served(p.n.Place, port, p.now)...)
	return p
}

// ended is the end of an old connection that the node had answered.
func (p *page) ended(port uint16, age time.Duration) *page {
	p.told = append(p.told, p.Served(p.n.Place, port, p.now.Add(-age))...)
	return p
}

func (p *page) opened(port uint16) *page {
	p.Opened(p.now, p.n.Place, port)
	return p
}

func (p *page) announced(at string, follows bool) *page {
	p.told = append(p.told, p.Announced(p.now, p.n, netip.MustParseAddrPort(at), follows)...)
	return p
}

func (p *page) direct(client string) *page {
	p.told = append(p.told, p.Direct(p.now, p.n, netip.MustParseAddr(client), 21)...)
	return p
}

// want takes what was told since the last call: kind, severity and a part of the
// text of each, separated by bars.
func (p *page) want(told ...string) *page {
	p.Helper()
	if len(told) != len(p.told) {
		p.Fatalf("told %+v, want %q", p.told, told)
	}
	for i, w := range told {
		part := strings.Split(w, "|")
		if f := p.told[i]; f.Kind != part[0] || f.Severity != part[1] || !strings.Contains(f.Text, part[2]) {
			p.Fatalf("told %+v, want %q", f, w)
		}
	}
	p.told = nil
	return p
}

func (p *page) wantOpen(kinds ...string) *page {
	p.Helper()
	var got []string
	for _, f := range p.Open("print") {
		got = append(got, f.Kind)
	}
	if strings.Join(got, " ") != strings.Join(kinds, " ") {
		p.Fatalf("open are %v, want %v", got, kinds)
	}
	return p
}

func TestTransparentNodeWhoseRepliesDoNotComeBackIsNamed(t *testing.T) {
	open(t, true).
		silent(5011).after(8*time.Second).silent(5012).after(8*time.Second).want().
		silent(21).want("node.replies|warning|set the default gateway of B to 198.19.0.2").wantOpen(event.NodeReplies).
		silent(21).after(time.Minute).silent(5011).want().
		ended(5011, time.Hour).want().wantOpen(event.NodeReplies).
		served(5011).want("node.replies|notice|replies of node B come back through this box now").wantOpen()
}

func TestTransparentNodeInOneNetworkWithTheMFDsNeedsNoGateway(t *testing.T) {
	p := open(t, true)
	p.n.Adjacent = true
	p.silent(5011).silent(5011).after(15 * time.Second).silent(5011).want("node.replies|warning|Set the group's mode to \"masked\"")
}

func TestSilenceIsNotTheWayBackWhereItCannotBe(t *testing.T) {
	// A masked node answers the virtual address, which is the box itself.
	open(t, false).
		silent(5011).after(8 * time.Second).silent(5011).after(8 * time.Second).
		silent(5011).want("node.firewall|warning|no answer on port 5011")
	// Another port of a transparent node is answered.
	open(t, true).
		silent(5011).after(8 * time.Second).silent(5011).served(5012).after(8 * time.Second).
		silent(5011).want("node.firewall|warning|no answer on port 5011").
		served(5011).want("node.firewall|notice|node B serves MFDs on port 5011 now").wantOpen()
}

func TestPortThatANodeRefusesIsNamed(t *testing.T) {
	open(t, false).
		refused(5610).after(8 * time.Second).refused(5610).after(8 * time.Second).want().
		refused(5610).want("node.port|warning|node B refuses port 5610 to MFDs").
		refused(5013).refused(5013).after(15 * time.Second).
		refused(5013).want("node.port|warning|node B refuses port 5013 and 5610 to MFDs").
		served(5013).want().wantOpen(event.NodePort).
		served(5610).want("node.port|notice|node B serves MFDs on port 5610 now").wantOpen()
}

// What one machine alone meets at a port is seldom the server's mistake.
func TestPortThatOneClientAloneMissesIsNamedAfterHalfAnHour(t *testing.T) {
	for name, c := range map[string]struct {
		every, lasts time.Duration
		silent       bool
		another      time.Duration // calls once, after this; 0: nobody does
		served       time.Duration // the one is, after this
		want         string
	}{
		"a scanner":                           {every: time.Second, lasts: time.Minute},
		"a scanner that comes once a day":     {every: 24 * time.Hour, lasts: 30 * 24 * time.Hour},
		"one that asks for 29 minutes":        {every: 15 * time.Second, lasts: 29 * time.Minute},
		"one that asks for half an hour":      {every: 15 * time.Second, lasts: 31 * time.Minute, want: event.NodePort},
		"one that meets silence for as long":  {every: 15 * time.Second, lasts: 31 * time.Minute, silent: true, want: event.NodeFirewall},
		"one that is served in between":       {every: 15 * time.Second, lasts: 40 * time.Minute, served: 20 * time.Minute},
		"another one that meets the same":     {every: 15 * time.Second, lasts: 2 * time.Minute, another: time.Minute, want: event.NodePort},
		"another one that meets silence, too": {every: 15 * time.Second, lasts: 2 * time.Minute, silent: true, another: time.Minute, want: event.NodeFirewall},
		"one that tries every 20 minutes":     {every: 20 * time.Minute, lasts: 41 * time.Minute, want: event.NodePort},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, false)
			p.lone = true
			call := func() {
				if c.silent {
					p.silent(5610)
				} else {
					p.refused(5610)
				}
			}
			for end := noon.Add(c.lasts); !p.now.After(end); p.now = p.now.Add(c.every) {
				if d := p.now.Sub(noon); c.another > 0 && d == c.another {
					p.from = mfd.Next()
					call()
				} else if c.served > 0 && d == c.served {
					p.served(5610)
				}
				call()
			}
			switch {
			case c.want == "":
				p.want()
			case len(p.told) != 1 || p.told[0].Kind != c.want:
				t.Errorf("told %+v, want %s", p.told, c.want)
			}
		})
	}
}

// checked probes port 5555 once an interval for some time.
func (p *page) checked(d time.Duration, answered, refused bool) *page {
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(5 * time.Second) {
		p.told = append(p.told, p.Checked(p.now, p.n, 5555, answered, refused)...)
	}
	return p
}

func TestCheckedPortThatWasNeverThereIsNamed(t *testing.T) {
	open(t, false).checked(3*time.Minute, false, true).want().
		checked(time.Hour, false, true).want("node.check|warning|node B has refused its checks on port 5555 ever since this box knows it").wantOpen(event.NodeCheck).
		checked(time.Minute, false, false).want().
		checked(time.Minute, true, false).want("node.check|notice|node B answers its checks on port 5555 now").wantOpen()
	// A service that stops, a server that starts, a machine that is switched on late.
	open(t, false).checked(time.Minute, true, false).checked(time.Hour, false, true).want()
	open(t, false).checked(2*time.Minute, false, true).checked(time.Minute, true, false).checked(time.Hour, false, true).want()
	open(t, false).checked(time.Hour, false, false).checked(3*time.Minute, false, true).checked(time.Minute, false, false).
		checked(3*time.Minute, false, true).want()
	// One that has answered before the book was opened.
	p := open(t, false)
	p.n.Answered = true
	p.checked(time.Hour, false, true).want()
}

func TestNothingIsAMistakeThatEndsBySoonOrHasAReason(t *testing.T) {
	// Fewer than three, or three within the time that finding a dead node takes.
	open(t, false).refused(21).after(time.Hour).refused(21).want()
	open(t, false).refused(21).refused(21).refused(21).after(14 * time.Second).refused(21).want()
	// A connection that was served between them.
	open(t, false).refused(21).after(9 * time.Second).refused(21).served(21).after(9 * time.Second).refused(21).want()
	// A node that is not Up, or has just come Up.
	p := open(t, false)
	p.n.UpSince = time.Time{}
	p.refused(21).after(9 * time.Second).refused(21).after(9 * time.Second).refused(21).want()
	p.n.UpSince = p.now
	p.refused(21).after(time.Second).refused(21).want()
	p = open(t, false).refused(21).refused(21).after(20 * time.Second)
	p.n.UpSince = p.now
	p.refused(21).want()
}

func TestMistakeIsOverWhenAConnectionOutlastsTheFirstPackets(t *testing.T) {
	p := open(t, true).silent(5011).silent(5011).after(15 * time.Second).silent(5011).want("node.replies|warning|default gateway")
	p.after(time.Hour).want() // nobody calls: nothing is known
	p.opened(5011).after(time.Second).silent(5011).after(time.Minute).want()
	p.opened(5011).after(4 * time.Second).want()
	p.after(time.Second).want("node.replies|notice|come back").wantOpen()
}

func TestFTPServerThatAnnouncesAnotherAddressIsNamed(t *testing.T) {
	open(t, false).announced("198.19.0.12:40000", false).want().
		announced("203.0.113.9:40000", false).want("node.ftp-address|warning|announces 203.0.113.9 to MFDs, which is not its own address 198.19.0.12").
		announced("203.0.113.9:40001", false).want().wantOpen(event.NodeFTPAddress).
		announced("198.19.0.12:40000", false).want("node.ftp-address|notice|announces 198.19.0.12 now").wantOpen()
	open(t, false).announced("127.0.0.1:40000", false).want("node.ftp-address|warning|127.0.0.1")
	open(t, false).announced("198.18.0.10:40000", false).want("node.ftp-address|warning|announces the virtual address 198.18.0.10 with port 40000").
		announced("198.18.0.10:50000", true).want("node.ftp-address|notice|198.18.0.10")
}

func TestAddressWithMoreConnectionsThanOneMFDHasIsNamed(t *testing.T) {
	p := open(t, false)
	other := netip.MustParseAddr("198.18.1.21")
	p.Busy(p.now, p.n.Place, mfd, Crowd-1)
	if p.Watched("print", mfd) {
		t.Error("one MFD is watched")
	}
	p.Busy(p.now, p.n.Place, mfd, Crowd)
	p.after(9 * time.Second).want()
	p.Busy(p.now, p.n.Place, mfd, Crowd-1) // only for a moment
	p.after(time.Minute).want()
	p.Busy(p.now, p.n.Place, mfd, Crowd+7)
	p.after(10 * time.Second).want("client.shared|warning|from 198.18.1.20 than one MFD has (47, on node B)").wantOpen(event.ClientShared)
	p.Busy(p.now, p.n.Place, other, 2*Crowd)
	p.after(time.Minute).want() // no news, but in the text
	if text := p.Open("print")[0].Text; !strings.Contains(text, "198.18.1.20 and 198.18.1.21") {
		t.Error(text)
	}
	p.Busy(p.now, p.n.Place, mfd, 1)
	p.Busy(p.now, p.n.Place, other, 3)
	p.after(23 * time.Hour)
	p.Busy(p.now, p.n.Place, other, Crowd) // the next morning
	p.Busy(p.now, p.n.Place, other, 3)
	p.after(2 * time.Hour).want().wantOpen(event.ClientShared)
	p.after(24 * time.Hour).want("client.shared|notice|for a day now").wantOpen()
}

func TestOneMFDThatTriesAgainAndAgainIsNoCrowd(t *testing.T) {
	p := open(t, false)
	for i := range 60 {
		p.Busy(p.now, p.n.Place, mfd, Crowd+i)
		p.after(5 * time.Second)
		p.Unserved(p.now, p.n, mfd, 5011, false)
	}
	for _, f := range p.told {
		if f.Kind == event.ClientShared {
			t.Errorf("told %+v", f)
		}
	}
}

func TestMFDThatGoesToTheNodesOwnAddressIsNamedForADay(t *testing.T) {
	p := open(t, true).direct("198.18.1.20").want("client.bypass|warning|MFD 198.18.1.20 uses 198.19.0.12, node B's own address, instead of the virtual address 198.18.0.10")
	p.direct("198.18.1.21").want()
	p.after(20 * time.Hour).direct("198.18.1.21").after(20 * time.Hour).want().wantOpen(event.ClientBypass)
	p.after(5 * time.Hour).want("client.bypass|notice|no MFD has used the own address of node B for a day").wantOpen()
}

// The findings advise to take a port out that nobody needs: that ends them.
// TestEachFindingIsToldOnceAndEndsOnce walks through arbitrary observations: a
// finding comes before it is over, and what is told agrees with what is open.
func TestEachFindingIsToldOnceAndEndsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, n, now := NewBook(), node(rapid.Bool().Draw(t, "transparent")), noon
		ports := rapid.SampledFrom([]uint16{21, 5011, 5610})
		there := map[string]bool{}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "ms")) * time.Millisecond)
			if rapid.IntRange(0, 30).Draw(t, "health") == 0 {
				n.UpSince = time.Time{}
			} else if n.UpSince.IsZero() {
				n.UpSince = now
			}
			var changes []Finding
			port := ports.Draw(t, "port")
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0, 1:
				changes = b.Unserved(now, n, rapid.SampledFrom([]netip.Addr{mfd, mfd.Next()}).Draw(t, "client"), port, rapid.Bool().Draw(t, "refused"))
			case 2:
				if rapid.IntRange(0, 5).Draw(t, "served") == 0 {
					changes = b.Served(n.Place, port, now)
				}
			case 3:
				b.Opened(now, n.Place, port)
			case 4:
				changes = b.Announced(now, n, netip.AddrPortFrom(rapid.SampledFrom([]netip.Addr{n.Address, mfd, vip}).Draw(t, "address"), port), false)
			case 5:
				b.Busy(now, n.Place, mfd, rapid.IntRange(1, 2*Crowd).Draw(t, "open"))
			}
			for _, f := range append(changes, b.Tick(now)...) {
				if f.Text == "" || f.Kind == "" || f.Since.IsZero() {
					t.Fatalf("told %+v", f)
				}
				over := f.Severity == event.Notice
				if over && !there[f.Kind] {
					t.Fatalf("%s is over that never was: %s", f.Kind, f.Text)
				}
				there[f.Kind] = !over
			}
			open := 0
			for _, is := range there {
				if is {
					open++
				}
			}
			if got := b.Open("print"); len(got) != open {
				t.Fatalf("open are %+v, told were %v", got, there)
			}
		}
	})
}
