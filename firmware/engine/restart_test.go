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

func TestNodesThatAnswerTheFirstProbeServeAtOnce(t *testing.T) {
	b := newBox(t, twoNodes)
	if s := b.last(); s.Box.State != api.NothingServing || s.Box.Reason != "the first probes are under way" {
		t.Errorf("before any probe: %+v", s.Box)
	}
	b.round(api.Open)
	if s := b.last(); s.Box.State != api.OK || len(b.kernel.up) != 2 || len(b.kernel.plans[vip]) == 0 {
		t.Errorf("%s, up %v, plan %v", s.Box.State, b.kernel.up, b.kernel.plans[vip])
	}
}

func TestDaemonAdoptsWhatTheKernelWentOnWith(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	b.pass(time.Minute) // writes the journal
	b.at = b.at.Add(time.Hour)
	b.kernel.tries = 0
	b.restart()
	if n := b.node("B"); n.Health != api.Up || n.Clients != 1 || !n.Serving {
		t.Errorf("B after the restart: %+v", n)
	}
	if found, err := b.clients(mfd.String()); err != nil || len(found) != 1 || found[0].Node != "B" || !found[0].Since.Equal(start.Add(5*time.Second)) {
		t.Errorf("who is where after the restart: %+v %v", found, err)
	}
	b.wantTold(event.Started, "1 binding taken from the kernel")
	if len(b.kernel.cuts) != 0 {
		t.Errorf("connections were cut: %v", b.kernel.cuts)
	}
}

func TestNodeThatWasDownIsNotUpAtItsFirstProbeAfterARestart(t *testing.T) {
	b := newBox(t, twoNodes)
	for range 4 {
		b.round(api.TimedOut, "198.18.0.12")
	}
	b.restart()
	b.round(api.Open)
	if n := b.node("B"); n.Health != api.Starting || n.Serving {
		t.Errorf("B: %s, serving %v", n.Health, n.Serving)
	}
}

func TestJournalBringsBindingsAndDrainsBackAfterAReboot(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	if _, err := b.drain(b.member("198.18.0.11"), api.DrainRequest{Verb: api.StopNow}); err != nil {
		t.Fatal(err)
	}
	b.pass(2 * time.Second)
	b.kernel = newFakeKernel()
	// The list is written the other way round: a binding stands for an address.
	b.text = strings.ReplaceAll(twoNodes, `{ address = "198.18.0.11" }, { address = "198.18.0.12" }`, `{ address = "198.18.0.12" }, { address = "198.18.0.11" }`)
	b.restart()
	held, ok := b.kernel.bindings[mfd]
	if !ok || b.kernel.known[held.Mark] != netip.MustParseAddr("198.18.0.12") || held.Left != 30*time.Minute {
		t.Errorf("bound to %v: %+v", b.kernel.known[held.Mark], held)
	}
	if n := b.node("B"); n.Address.String() != "198.18.0.11" || n.Service != api.OutOfService {
		t.Errorf("the drained node: %+v", n)
	}
	b.wantTold(event.Started, "1 binding taken from the journal")
}

func TestJournalOfAnUnconfiguredNodeIsForgotten(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	b.pass(time.Minute)
	b.kernel = newFakeKernel()
	b.text = strings.ReplaceAll(twoNodes, "198.18.0.12", "198.18.0.13")
	b.restart()
	if len(b.kernel.bindings) != 0 {
		t.Errorf("bound to another machine: %v", b.kernel.bindings)
	}
}

func TestUnreadableJournalIsToldAndTheBoxServes(t *testing.T) {
	b := newBox(t, twoNodes)
	b.pass(time.Minute)
	for _, name := range []string{"bindings", "bindings.old"} {
		os.WriteFile(filepath.Join(b.dir, name), []byte("spoolgate bindings 1\nbou"), 0o600)
	}
	b.kernel = newFakeKernel()
	b.restart()
	b.wantTold(event.JournalFault, "warning: the journal of who is where could not be read, MFDs are bound anew")
}

func TestFailingDiskIsToldOnceAndTriedOnceAMinute(t *testing.T) {
	b := newBox(t, twoNodes)
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	b.pass(5 * time.Minute)
	b.wantTold(event.JournalFault, "warning: the journal of who is where can't be written")
	os.MkdirAll(b.dir, 0o755)
	b.pass(time.Minute)
	b.wantTold(event.JournalFault, "warning: the journal of who is where can't be written", "notice: the journal of who is where is written again")
}

func TestMarksStayWithAddressesWhateverTheOrder(t *testing.T) {
	known := map[dataplane.Mark]netip.Addr{2: netip.MustParseAddr("198.18.0.11"), 7: netip.MustParseAddr("198.18.0.99")}
	b := newBox(t, twoNodes)
	ids := assign(b.config, known)
	if ids[netip.MustParseAddr("198.18.0.11")] != 2 {
		t.Errorf("a known address got another mark: %v", ids)
	}
	if id := ids[netip.MustParseAddr("198.18.0.12")]; id == 2 || id == 7 || id == 0 {
		t.Errorf("a new address got the mark %d of another", id)
	}
}
