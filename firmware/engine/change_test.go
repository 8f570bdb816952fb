package engine

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

func TestRefusedChangeIsRetriedEverySecondAndToldOnce(t *testing.T) {
	b := newBox(t, twoNodes)
	b.kernel.refuses, b.kernel.tries = true, 0
	b.round(api.Open)
	b.round(api.Open)
	if b.kernel.tries < 8 || b.kernel.tries > 12 {
		t.Errorf("tried %d times in 10 s", b.kernel.tries)
	}
	b.wantTold(event.KernelFault, "alert: the kernel refused a change of the plan")
	b.kernel.refuses = false
	b.pass(time.Second)
	if len(b.kernel.up) != 2 {
		t.Errorf("after the trouble the kernel has %v up", b.kernel.up)
	}
	b.wantTold(event.KernelFault, "alert: the kernel refused a change of the plan", "notice: the kernel takes changes again")
}

func TestRulesThatAnotherProgramRemovedComeBackWithEveryBinding(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	node, plan := b.kernel.bindings[mfd].Mark, b.kernel.plans[vip]
	b.kernel.lost = true
	b.pass(time.Second)
	if k := b.kernel; len(k.layout.Groups) != 1 || len(k.up) != 2 || len(k.plans[vip]) != len(plan) || k.bindings[mfd].Mark != node || len(k.waiting) != 0 {
		t.Errorf("a second later the kernel has %+v", k)
	}
	b.wantTold(event.KernelFault, "alert: another program removed the rules", "notice: the kernel takes changes again")
}

// Nobody is served meanwhile, so that it is said at once why, and tried at once.
func TestRulesThatCannotBeWrittenAgainAreTold(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.kernel.lost, b.kernel.refuses = true, true
	b.pass(3 * time.Second)
	b.wantTold(event.KernelFault, "alert: another program removed the rules", "alert: the kernel refused the rules and who is where, and no MFD reaches a node")
	b.kernel.refuses = false
	b.pass(time.Second)
	if k := b.kernel; len(k.layout.Groups) != 1 || len(k.up) != 2 {
		t.Errorf("a second after the trouble the kernel has %+v", k)
	}
	b.wantTold(event.KernelFault, "alert: another program removed the rules", "alert: the kernel refused the rules and who is where, and no MFD reaches a node", "notice: the kernel takes changes again")
}

func TestReloadKeepsBindingsOfNodesThatStay(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	other := netip.MustParseAddr("198.18.1.21")
	b.open(mfd, "198.18.0.12")
	b.open(other, "198.18.0.11")
	before := b.member("198.18.0.12").id
	b.text = strings.ReplaceAll(twoNodes, `{ address = "198.18.0.11" }, `, `{ address = "198.18.0.13" }, { address = "198.18.0.14", weight = 2 }, `)
	b.reload()
	b.turn()
	if id := b.member("198.18.0.12").id; id != before {
		t.Errorf("the node that stays got another mark: %d, was %d", id, before)
	}
	if found, err := b.clients(""); err != nil || len(found) != 1 || found[0].Address != mfd || found[0].Connections != 1 {
		t.Errorf("bound after the reload: %+v %v", found, err)
	}
	if n := b.node("C"); n.Address.String() != "198.18.0.12" || n.Health != api.Up {
		t.Errorf("the node that stays: %+v", n)
	}
	if len(b.kernel.cuts) != 1 {
		t.Errorf("the node that was taken out still has its connections: %v", b.kernel.cuts)
	}
	b.wantTold(event.ConfigChanged, "info: configuration changed: 1 group, 3 nodes")
	// A node that joins may just be starting: it has its up-delay before it.
	b.round(api.Open)
	if n := b.node("A"); n.Health != api.Starting || len(b.kernel.up) != 1 {
		t.Errorf("a node that joined is %s after its first answer, up: %v", n.Health, b.kernel.up)
	}
	b.upDelay()
	if len(b.kernel.up) != 3 {
		t.Errorf("up after the delay: %v", b.kernel.up)
	}
}

// upDelay lets every node answer for as long as the default delay takes.
func (b *box) upDelay() {
	for range 40 {
		b.round(api.Open)
	}
}

func TestWrongConfigurationChangesNothing(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	b.text = twoNodes + "affinity = \"29m\"\n"
	b.kernel.tries = 0
	b.reload()
	b.turn()
	if n := b.node("B"); n.Clients != 1 || b.kernel.tries != 0 {
		t.Errorf("B: %+v; the kernel was changed %d times", n, b.kernel.tries)
	}
	b.wantTold(event.ConfigRefused, "minimum of 30 minutes")
}

func TestSameConfigurationAgainIsNoChange(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.kernel.tries = 0
	b.text = "# only a remark\n" + twoNodes
	done, err := b.reload()
	b.turn()
	if err != nil || done.Text != "nothing changed: balancing 1 group over 2 nodes" || b.kernel.tries != 0 {
		t.Errorf("%v %q; the kernel was changed %d times", err, done.Text, b.kernel.tries)
	}
	b.wantTold(event.ConfigChanged)
	if b.kept != b.text {
		t.Errorf("the file that was read again is not kept: %s", b.kept)
	}
	// Who was told of a wrong one hears that it was put right.
	b.text = twoNodes + "affinity = \"29m\"\n"
	b.reload()
	b.text = twoNodes
	b.reload()
	b.wantTold(event.ConfigChanged, "info: the configuration that was written is the one in use again")
	b.text = strings.ReplaceAll(twoNodes, "198.18.0.11", "198.18.0.13")
	if done, err := b.reload(); err != nil || done.Text != "balancing 1 group over 2 nodes" {
		t.Errorf("%v %q", err, done.Text)
	}
	b.wantTold(event.ConfigChanged, "is the one in use again", "info: configuration changed: 1 group, 2 nodes")
}

func TestReloadThatTheKernelRefusesIsTriedAgain(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.kernel.refuses = true
	b.text = strings.ReplaceAll(twoNodes, "198.18.0.11", "198.18.0.13")
	b.reload()
	b.pass(5 * time.Second)
	if len(b.kernel.cuts) != 0 {
		t.Error("connections are cut though the kernel still sends MFDs there")
	}
	b.kernel.refuses = false
	b.pass(2 * time.Second)
	b.upDelay()
	have := map[string]bool{}
	for _, a := range b.kernel.known {
		have[a.String()] = true
	}
	if !have["198.18.0.13"] || have["198.18.0.11"] || len(b.kernel.up) != 2 {
		t.Errorf("the kernel has %v, up %v", b.kernel.known, b.kernel.up)
	}
	b.wantTold(event.KernelFault, "alert: the kernel refused the changed configuration", "notice: the kernel takes changes again")
	if len(b.kernel.cuts) != 1 {
		t.Errorf("cut after it: %v", b.kernel.cuts)
	}
}

func TestDownNodeLeavesAndItsConnectionsAreCut(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	for range 3 {
		if len(b.kernel.cuts) != 0 {
			t.Fatal("cut before the third miss")
		}
		b.round(api.Refused, "198.18.0.12")
	}
	if len(b.kernel.up) != 1 || len(b.kernel.cuts) != 1 {
		t.Errorf("up %v, cut %v", b.kernel.up, b.kernel.cuts)
	}
	b.wantTold(event.NodeCut, "notice: 2 open connections to B cut")
	b.open(mfd, "198.18.0.11")
	b.open(netip.MustParseAddr("198.18.1.30"), "198.18.0.11")
	b.pass(time.Second)
	b.wantTold(event.ClientMoved, "notice: 1 MFD now on A: moved from B, which did not serve")
	if s := b.last(); s.Box.State != api.NoSpare || !strings.Contains(s.Box.Reason, "B is Down") {
		t.Errorf("%+v", s.Box)
	}
}

// What a person began is no failure of the node, also when it is shut down then.
func TestMovesFromADrainedNodeAreNotBlamedOnItsHealth(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.shut(b.open(mfd, "198.18.0.12"), mfd, "198.18.0.12")
	if _, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.MoveNow}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.round(api.Refused, "198.18.0.12")
	}
	b.open(mfd, "198.18.0.11")
	b.pass(time.Second)
	b.wantTold(event.ClientMoved, "notice: 1 MFD now on A: moved from B, which was taken out of service")
	if i := b.book.Open(); len(i) == 0 || i[0].Moved != 0 {
		t.Errorf("the incident of the node that was shut down has moved MFDs: %+v", i)
	}
}

func TestManyMovesOfOneCauseAreOneEvent(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	client := netip.MustParseAddr("198.18.2.1")
	var all []netip.Addr
	for range 50 {
		all = append(all, client)
		b.open(client, "198.18.0.12")
		client = client.Next()
	}
	for range 3 {
		b.round(api.Refused, "198.18.0.12")
	}
	for _, c := range all {
		b.open(c, "198.18.0.11")
	}
	b.pass(time.Second)
	b.wantTold(event.ClientMoved, "notice: 50 MFDs now on A")
}

func TestMFDThatChangesNodesForNoReasonIsAnAlert(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	b.pass(time.Minute)
	b.open(mfd, "198.18.0.11")
	b.pass(time.Second)
	b.wantTold(event.ClientFault, "alert: 1 MFD now on A: changed from B for no known reason")
}

func TestBoxThatSuspectsItselfKeepsThePlan(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	for range 5 {
		b.round(api.TimedOut, "198.18.0.11", "198.18.0.12")
	}
	if len(b.kernel.up) != 2 || len(b.kernel.cuts) != 0 || b.last().Box.Suspicion == "" {
		t.Errorf("up %v, cut %v, suspicion %q", b.kernel.up, b.kernel.cuts, b.last().Box.Suspicion)
	}
	b.round(api.Open)
	if b.last().Box.Suspicion != "" || b.node("A").Health != api.Up {
		t.Errorf("after it: %+v, A is %s", b.last().Box, b.node("A").Health)
	}
	b.wantTold(event.BoxSuspicion, "alert: it is probably this box and not the nodes", "notice: probes are answered again")
}

func TestWindowsOfOpenConnectionsAreRenewed(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	number := b.open(mfd, "198.18.0.12")
	held := b.kernel.bindings[mfd]
	held.Left = time.Minute
	b.kernel.bindings[mfd] = held
	b.at = b.at.Add(10 * time.Minute)
	b.sweep()
	if left := b.kernel.bindings[mfd].Left; left != 30*time.Minute {
		t.Errorf("left after the sweep: %s", left)
	}
	b.shut(number, mfd, "198.18.0.12")
	b.at = b.at.Add(31 * time.Minute)
	b.sweep()
	if found, _ := b.clients(""); len(found) != 0 {
		t.Errorf("bound after the window: %+v", found)
	}
}

func TestLostEventsAreCountedAnewAndNoBindingIsLost(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	b.open(mfd, "198.18.0.12")
	b.connections(recount(b, mfd, "198.18.0.12"))
	b.turn()
	b.pass(time.Second)
	if n := b.node("B"); n.Connections != 1 || n.Clients != 1 {
		t.Errorf("B: %+v", n)
	}
	b.wantTold(event.Resynchronised, "notice: connection events came faster than they could be read; 1 open connection counted anew")
}

// A drained node finishes what is open on it; one that dies meanwhile can't.
func TestNodeThatDiesWhileItIsDrainedIsCut(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.open(mfd, "198.18.0.12")
	if _, err := b.drain(b.member("198.18.0.12"), api.DrainRequest{Verb: api.MoveNow}); err != nil {
		t.Fatal(err)
	}
	b.turn()
	if len(b.kernel.cuts) != 0 {
		t.Fatal("a drain that lets connections finish has cut them")
	}
	for range 3 {
		b.round(api.TimedOut, "198.18.0.12")
	}
	if len(b.kernel.cuts) != 1 {
		t.Errorf("cut after its end: %v", b.kernel.cuts)
	}
}
