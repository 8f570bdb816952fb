package engine

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/engine/proof"
)

// proved is the item of an id, with what others say.
func (b *box) proved(a asked, id string) api.ProofItem {
	b.Helper()
	for _, i := range b.Engine.proof(a).Items {
		if i.ID == id {
			return i
		}
	}
	b.Fatalf("the proof has no %q", id)
	return api.ProofItem{}
}

func (b *box) wantProved(id string, verdict api.Verdict, words string) {
	b.Helper()
	if i := b.proved(asked{}, id); i.Verdict != verdict || !strings.Contains(strings.Join(i.Evidence, "\n"), words) {
		b.Errorf("%s is %s, want %s with %q: %v", id, i.Verdict, verdict, words, i.Evidence)
	}
}

// visit is a connection that opens and ends, answered or not.
func (b *box) visit(client netip.Addr, node string, port uint16, related, answered bool) {
	b.Helper()
	m := b.member(node)
	b.next++
	ev := dataplane.Event{Kind: dataplane.Opened, ID: b.next, VirtualAddress: m.group.VirtualAddress, Client: client,
		Mark: dataplane.Mark(m.id), Port: port, SeenAs: m.group.VirtualAddress, Related: related}
	end := ev
	end.Kind, end.Replied = dataplane.Closed, answered
	// Both are told twice, as by a dump and an event, and by the close and the end.
	b.connections(dataplane.Batch{Events: []dataplane.Event{ev, ev, end, end}})
	b.turn()
}

func TestTrafficIsWhatShowsTheSentencesAboutIt(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for _, id := range []string{"affinity", "same-node", "single-source", "ports-terminal", "ports-webdav", "passive-ftp", "address-used", "uniform"} {
		b.wantProved(id, api.UnseenYet, "do: ")
	}
	b.visit(mfd, "198.18.0.11", 5011, false, false)
	b.wantProved("ports-terminal", api.UnseenYet, "not answered by the node so far: 5011 (1)")
	b.visit(mfd, "198.18.0.11", 5011, false, true)
	b.wantProved("ports-terminal", api.Pass, "5011 (1)")
	b.visit(mfd, "198.18.0.11", 5610, false, true)
	b.visit(mfd, "198.18.0.11", 50001, true, true)
	for _, id := range []string{"affinity", "same-node", "single-source", "ports-webdav", "passive-ftp", "address-used"} {
		b.wantProved(id, api.Pass, "1")
	}
	b.wantProved("uniform", api.UnseenYet, "1 new MFD dealt")
	for i, a := 1, mfd.Next(); i < 10; i, a = i+1, a.Next() {
		b.visit(a, []string{"198.18.0.11", "198.18.0.12"}[i%2], 5011, false, true)
	}
	b.wantProved("uniform", api.Pass, "10 of 10 new MFDs")
}

// An interval that was shortened just now is not proved by the probes of before.
func TestProofOfThePeriodBeginsAnewWithTheInterval(t *testing.T) {
	b := newBox(t, twoNodes+"checks.interval = \"10s\"\n")
	for range 5 {
		b.round(api.Open)
		b.pass(5 * time.Second)
	}
	b.wantProved("period", api.Pass, "A: port 5555 was probed every 10s")
	b.text = twoNodes
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.wantProved("period", api.UnseenYet, "A: port 5555 was probed 0 times since ")
	b.text += "affinity = \"1h\"\n"
	for range 2 {
		b.round(api.Open)
		b.round(api.Open)
		if _, err := b.reload(); err != nil { // with the same interval
			t.Fatal(err)
		}
	}
	b.wantProved("period", api.Pass, "A: port 5555 was probed every 5s, the median of 3 gaps")
}

func TestKernelThatDealsAllToOneNodeIsFoundOut(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for i, a := 0, mfd; i < 12; i, a = i+1, a.Next() {
		b.visit(a, "198.18.0.11", 5011, false, true)
	}
	b.wantProved("uniform", api.Fail, "of 12 new MFDs went to a node that had more than another")
	b.wantProved("least-connections", api.Fail, "of 12 new MFDs")
}

func TestMFDThatChangesNodesFailsTheProofUnlessItsNodeLeft(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.visit(mfd, "198.18.0.11", 5011, false, true)
	b.round(api.Refused, "198.18.0.11")
	b.round(api.Refused, "198.18.0.11")
	b.round(api.Refused, "198.18.0.11")
	b.wantProved("down-after", api.Pass, "A was considered Down after 3 unsuccessful attempts")
	b.visit(mfd, "198.18.0.12", 5011, false, true)
	b.wantProved("affinity", api.Pass, "moves for a known reason, a node that left or a person's order: 1")
	b.round(api.Open)
	b.pass(5 * time.Minute)
	b.visit(mfd, "198.18.0.11", 5011, false, true)
	b.wantProved("affinity", api.Fail, "1 MFD changed nodes for no known reason")
}

// A drained node finishes what is open on it, beside what its MFDs open elsewhere. A
// connection that is younger than the binding and goes past it is another matter.
func TestOlderConnectionsOfAMovedMFDSplitNobody(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	a, c := b.member("198.18.0.11"), b.member("198.18.0.12")
	b.open(mfd, "198.18.0.11")
	began := b.at
	b.pass(time.Minute)
	if _, err := b.move(a.group, mfd, c); err != nil {
		t.Fatal(err)
	}
	b.open(mfd, "198.18.0.12")
	open := func(m *member, began time.Time) dataplane.Connection {
		return dataplane.Connection{VirtualAddress: vip, Client: mfd, Mark: dataplane.Mark(m.id), SeenAs: vip, Port: 5011, Began: began, Received: 60}
	}
	both := func(one, other dataplane.Connection) asked {
		s := proof.NewSurvey(b.groups[0].Group)
		s.Add(one)
		s.Add(other)
		return asked{open: map[netip.Addr]*proof.Survey{vip: s}}
	}
	moved := both(open(a, began), open(c, b.at))
	if i := b.proved(moved, "affinity"); i.Verdict != api.Pass || !strings.Contains(strings.Join(i.Evidence, "\n"), "older connections of 1 MFD finish") {
		t.Errorf("moved: %s %v", i.Verdict, i.Evidence)
	}
	split := both(open(a, b.at.Add(time.Minute)), open(c, b.at))
	if i := b.proved(split, "affinity"); i.Verdict != api.Fail || !strings.Contains(i.Evidence[0], "on two nodes without a move") {
		t.Errorf("split: %s %v", i.Verdict, i.Evidence)
	}
}

func TestProofAsksWhoKnows(t *testing.T) {
	b := newBox(t, twoNodes+"[report.mail]\nserver = \"mail.example.com\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n")
	b.opts.EachConnection = func(func(dataplane.Connection)) error { return nil }
	dead := errors.New("connection refused")
	for _, tt := range []struct {
		network   func(context.Context) (api.Network, error)
		reporters func(context.Context) ([]api.Reporter, error)
		address   api.Verdict
		reports   api.Verdict
	}{
		{nil, nil, api.UnseenHere, api.Fail},
		{func(context.Context) (api.Network, error) { return api.Network{}, dead },
			func(context.Context) ([]api.Reporter, error) { return nil, dead }, api.UnseenHere, api.Fail},
		{func(context.Context) (api.Network, error) {
			return api.Network{VirtualAddresses: []api.VirtualAddress{{Address: vip, Hold: api.Hold{State: api.Held}}}}, nil
		}, func(context.Context) ([]api.Reporter, error) {
			return []api.Reporter{{Name: "mail", DeliveredAt: start}}, nil
		}, api.Pass, api.Pass},
	} {
		b.opts.Network, b.opts.Reporters = tt.network, tt.reporters
		a, err := b.askOthers(t.Context(), b.config.Groups)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.proved(a, "virtual-address").Verdict; got != tt.address {
			t.Errorf("the address: %s, want %s", got, tt.address)
		}
		if got := b.proved(a, "reports").Verdict; got != tt.reports {
			t.Errorf("the reports: %s, want %s", got, tt.reports)
		}
	}
}

func TestEvidenceOutlastsTheSessionsThatGaveIt(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.visit(mfd, "198.18.0.11", 5011, false, true)
	b.visit(mfd, "198.18.0.11", 5610, false, true)
	b.at = b.at.Add(31 * time.Minute)
	b.sweep()
	b.endSessions(b.at)
	b.wantProved("same-node", api.Pass, "1 session of MFDs on several ports")
	b.groups[0].seen.End(func(netip.Addr) bool {
		t.Error("the session is still kept")
		return false
	})
}

func TestProofOfABoxWithoutAConfigurationSaysSo(t *testing.T) {
	b := newBox(t, "")
	b.wantProved("configured", api.UnseenYet, "no configuration yet")
	b.wantProved("reports", api.Fail, "no reporter is configured")
}

// Nodes see MFDs under other addresses once the mode was changed: what was seen before
// speaks neither for nor against it.
func TestChangedModeBeginsTheSightingsAnew(t *testing.T) {
	b := newBox(t, twoNodes)
	before := b.groups[0].seen
	b.text = strings.Replace(twoNodes, "[[group]]\n", "[[group]]\nmode = \"transparent\"\n", 1)
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	if b.groups[0].seen == before {
		t.Error("what was seen in the other mode is still counted")
	}
}
