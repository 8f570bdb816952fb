package engine

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/balance"
	"spoolgate/firmware/config"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/event/incident"
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

// The daemon is started anew before its first probes are back: they decide as they would
// have without that, and nobody is said to have been Down.
func TestNodesThatNoProbeToldOfBeforeARestartServeAtTheFirstAnswerAfterIt(t *testing.T) {
	b := newBox(t, twoNodes)
	b.restart()
	if len(b.kernel.waiting) != 2 {
		t.Errorf("MFDs wait for %v", b.kernel.waiting)
	}
	b.round(api.Open)
	if s := b.last(); s.Box.State != api.OK || len(b.kernel.up) != 2 || len(b.kernel.waiting) != 0 {
		t.Errorf("%s: %s, up %v, wait for %v", s.Box.State, s.Box.Reason, b.kernel.up, b.kernel.waiting)
	}
	b.wantMessages()
}

// A node that has just been configured may be starting, whoever is started anew meanwhile.
func TestNodeThatWasConfiguredBeforeARestartServesAfterItsUpDelayOnly(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.text = strings.Replace(twoNodes, `{ address = "198.18.0.12" }`, `{ address = "198.18.0.12" }, { address = "198.18.0.13" }`, 1)
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.turn()
	b.killed()
	b.round(api.Open)
	if n := b.node("C"); n.Health != api.Starting || n.Serving {
		t.Errorf("C: %s, %s", n.Health, n.HealthReason)
	}
}

// The virtual address is changed while the daemon is dead: the machines are the same.
func TestNodesThatServedDoSoUnderAnotherVirtualAddressAfterARestart(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 4 {
		b.round(api.Refused, "198.18.0.12")
	}
	b.text = strings.Replace(twoNodes, vip.String(), "198.18.0.15", 1)
	b.killed()
	if n := b.node("A"); n.Health != api.Up || !n.Serving {
		t.Errorf("A: %s, %s", n.Health, n.HealthReason)
	}
	if n := b.node("B"); n.Health != api.Down {
		t.Errorf("B: %s, %s", n.Health, n.HealthReason)
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

// After a reboot of the box the kernel knows nothing; the journal of events does.
func TestNodeThatDidNotServeIsNotUpAtItsFirstProbeAfterAReboot(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 2 {
		for range 40 {
			b.round(api.Open)
		}
		for range 4 {
			b.round(api.Refused, "198.18.0.12")
		}
	}
	for _, was := range []string{"Down", "Starting"} {
		b.kernel = newFakeKernel()
		b.killed()
		b.round(api.Open)
		if n := b.node("A"); n.Health != api.Up || !n.Serving {
			t.Errorf("A: %s, %s", n.Health, n.HealthReason)
		}
		if n := b.node("B"); n.Health != api.Starting || n.Serving || !strings.Contains(n.HealthReason, "it went Down 2 times since") {
			t.Errorf("B was %s, and is %s: %s", was, n.Health, n.HealthReason)
		}
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

// What the warning says would be forgotten is what a restart forgets.
func TestFailingDiskIsToldWithWhatARestartForgets(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	b.settle()
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.DrainGently}); err != nil {
		t.Fatal(err)
	}
	b.wantTold(event.JournalFault, "bindings hold, but a restart of the box would forget them, and one of the balancer would return nodes to service that were drained since: ")
	b.restart()
	if n := b.node("B"); n.Service != api.InService || n.Clients != 1 {
		t.Errorf("after a restart of the balancer: %+v", n)
	}
	b.kernel = newFakeKernel()
	os.RemoveAll(b.dir)
	b.restart()
	if n := b.node("B"); n.Clients != 0 {
		t.Errorf("after a restart of the box: %+v", n)
	}
}

func TestMarksStayWithAddressesWhateverTheOrder(t *testing.T) {
	vip := netip.MustParseAddr("198.18.0.10")
	known := map[balance.NodeID]seat{2: {vip, netip.MustParseAddr("198.18.0.11")}, 7: {vip, netip.MustParseAddr("198.18.0.99")}}
	b := newBox(t, twoNodes)
	ids := assign(b.config, known)
	if ids[netip.MustParseAddr("198.18.0.11")] != 2 {
		t.Errorf("a known address got another mark: %v", ids)
	}
	if id := ids[netip.MustParseAddr("198.18.0.12")]; id == 2 || id == 7 || id == 0 {
		t.Errorf("a new address got the mark %d of another", id)
	}
}

func TestNodeThatChangesItsGroupGetsANewMark(t *testing.T) {
	b := newBox(t, twoNodes)
	address := netip.MustParseAddr("198.18.0.12")
	elsewhere := netip.MustParseAddr("198.18.0.20")
	ids := assign(b.config, map[balance.NodeID]seat{1: {elsewhere, address}})
	if id := ids[address]; id == 1 || id == 0 {
		t.Errorf("it keeps the mark %d that the MFDs of its old group are bound to", id)
	}
	if id := assign(b.config, map[balance.NodeID]seat{1: {node: address}})[address]; id != 1 {
		t.Errorf("a mark that nobody is bound to was not used again: %d", id)
	}
}

// What the kernel has tells who was Down: nobody has to wait for three misses
// again.
func TestDownNodeStaysDownOverARestartOfTheDaemon(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 3 {
		b.round(api.TimedOut, "198.18.0.12")
	}
	b.restart()
	if n := b.node("B"); n.Health != api.Down {
		t.Errorf("B is %s: %s", n.Health, n.HealthReason)
	}
	if len(b.waiting) != 0 {
		t.Errorf("MFDs wait for %v", b.waiting)
	}
}

func TestNodeRemovedWhileTheDaemonWasDownIsCut(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	gone := dataplane.Mark(b.member("198.18.0.12").id)
	b.text = strings.Replace(twoNodes, `, { address = "198.18.0.12" }`, "", 1)
	b.restart()
	if !slices.Contains(b.kernel.cuts, gone) {
		t.Errorf("cut: %v", b.kernel.cuts)
	}
}

func TestChangedVirtualAddressKeepsWhatIsKnownOfTheNodes(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	if _, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.StopNow}); err != nil {
		t.Fatal(err)
	}
	b.text = strings.Replace(twoNodes, "198.18.0.10", "198.18.0.20", 1)
	b.reload()
	b.turn()
	if n := b.node("A"); n.Health != api.Up || !n.Serving {
		t.Errorf("A is %s, serving %v", n.Health, n.Serving)
	}
	if n := b.node("B"); n.Service != api.OutOfService {
		t.Errorf("the drained node is %s", n.Service)
	}
}

func TestOperatorsOrdersAreWrittenBeforeTheyAreAnswered(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	if _, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.DrainGently}); err != nil {
		t.Fatal(err)
	}
	if r, err := b.journal.Load(); err != nil || r.Services[netip.MustParseAddr("198.18.0.12")] != string(api.DrainGently) {
		t.Errorf("after the drain: %+v %v", r, err)
	}
	if _, err := b.forget(b.groups[0], mfd); err != nil {
		t.Fatal(err)
	}
	if r, err := b.journal.Load(); err != nil || len(r.Entries) != 0 {
		t.Errorf("after the forgetting: %+v %v", r, err)
	}
}

func TestWrongConfigurationAtTheStartLeavesTheLastGoodOneInUse(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	right := b.text
	b.text = twoNodes + "affinity = \"29m\"\n"
	b.kernel = newFakeKernel() // the box was started anew as well
	b.restart()
	b.round(api.Open)
	s := b.last()
	if len(s.Groups) != 1 || s.Box.State != api.OK || !strings.Contains(s.Box.Unused, "30 minutes") {
		t.Errorf("after the start: %+v, groups %+v", s.Box, s.Groups)
	}
	b.wantTold(event.ConfigRefused, "warning: the configuration is not used, and the last good one goes on: ")
	b.text = right
	b.reload()
	b.pass(time.Second)
	if s := b.last(); s.Box.Unused != "" {
		t.Errorf("put right, and the box says %q", s.Box.Unused)
	}
}

func TestWrongFirstConfigurationIsSaidByABoxThatCanBeReached(t *testing.T) {
	b := newBox(t, "affinity = 1")
	b.pass(time.Second)
	if s := b.last(); s.Box.State != api.NothingServing || !strings.Contains(s.Box.Reason, "the configuration is wrong") || s.Box.Unused == "" {
		t.Errorf("%+v", s.Box)
	}
	b.wantTold(event.ConfigRefused, "warning: the configuration is not used, and there is no earlier one")
}

// A kernel that goes on dealing is not emptied because no configuration is left.
func TestDaemonWithoutAnyConfigurationLeavesTheKernelAlone(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.text, b.kept = "", ""
	_, err := New(Options{Configuration: b, StateDir: b.dir, Kernel: b.kernel, Now: func() time.Time { return b.at },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if !errors.Is(err, config.ErrMissing) || len(b.kernel.layout.Groups) != 1 {
		t.Errorf("started with %v, the kernel has %+v", err, b.kernel.layout)
	}
}

func TestFolderThatCannotBeUsedStopsNobodyFromPrinting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	instead, err := stateFolder(filepath.Join(file, "state"))
	if err == nil || instead == "" {
		t.Fatalf("%q %v", instead, err)
	}
	b := newBox(t, twoNodes)
	e, newErr := New(Options{Configuration: b, StateDir: instead, Forgetful: err, Kernel: newFakeKernel(), Pace: incident.DefaultPace(),
		Now: func() time.Time { return b.at }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if newErr != nil {
		t.Fatal(newErr)
	}
	if open := e.book.Open(); len(open) != 1 || open[0].Kind != event.JournalFault || !strings.Contains(open[0].Cause, err.Error()) {
		t.Errorf("told as %+v", open)
	}
	good := filepath.Join(t.TempDir(), "state")
	if used, err := stateFolder(good); err != nil || used != good {
		t.Errorf("a good one: %q %v", used, err)
	}
}
