package engine

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

const named = `
[[group]]
name = "print"
virtual_address = "198.18.0.10"
dns_name = "print.example.com"
node = [{ address = "198.18.0.11" }, { address = "198.18.0.12" }]
`

// left is what an MFD has left of its window: here, and in the kernel.
func (b *box) left(client netip.Addr) (here, kernel time.Duration) {
	b.Helper()
	if c, bound := b.groups[0].policy.Lookup(client, b.at); bound {
		here = c.Ends.Sub(b.at)
	}
	return here, b.kernel.bindings[client].Left
}

// lookUp is a look-up of the group's name, as the responder hears it.
func (b *box) lookUp(client netip.Addr) {
	b.Helper()
	b.names.responder.Note(vip, client)
	select {
	case <-b.names.responder.Heard():
		b.contacts(b.at)
	default:
		b.Fatal("the look-up was not told")
	}
	b.turn()
}

func TestLookUpBeginsTheWindowAnewHereAndInTheKernel(t *testing.T) {
	b := newBox(t, named)
	b.round("open")
	b.shut(b.open(mfd, "198.18.0.11"), mfd, "198.18.0.11")
	b.pass(20 * time.Minute)
	bound := b.kernel.bindings[mfd]
	bound.Left = 10 * time.Minute
	b.kernel.bindings[mfd] = bound
	b.lookUp(mfd)
	if here, kernel := b.left(mfd); here != 30*time.Minute || kernel != 30*time.Minute {
		t.Errorf("%s are left here, %s in the kernel", here, kernel)
	}
	stranger := netip.MustParseAddr("198.18.1.99")
	b.pass(time.Second)
	b.lookUp(stranger)
	if _, bound := b.groups[0].policy.Lookup(stranger, b.at); bound || len(b.kernel.bindings) != 1 {
		t.Error("a look-up bound somebody")
	}
}

// An MFD that comes back after its window looks the name up first. Its connection is
// a first contact then, and no fault.
func TestLookUpAfterTheWindowIsNoReasonToBlameAMove(t *testing.T) {
	b := newBox(t, named)
	b.round("open")
	b.shut(b.open(mfd, "198.18.0.11"), mfd, "198.18.0.11")
	b.pass(30*time.Minute + 10*time.Second)
	delete(b.kernel.bindings, mfd) // its time is over, and the next sweep minutes away
	b.lookUp(mfd)
	b.open(mfd, "198.18.0.12")
	b.pass(time.Second)
	b.wantTold(event.ClientFault)
	if n := b.node("B"); n.Clients != 1 {
		t.Errorf("%+v", n)
	}
}

// However many look-ups come, the loop spends a twentieth of its time on them at most.
func TestFloodOfLookUpsDoesNotHoldUpTheLoop(t *testing.T) {
	b := newBox(t, named)
	b.round("open")
	b.open(mfd, "198.18.0.11")
	b.kernel.slow = func() { b.at = b.at.Add(600 * time.Millisecond) }
	begun, spent := b.at, time.Duration(0)
	for range 200 {
		b.names.responder.Note(vip, mfd)
		before := b.at
		b.contacts(b.at)
		spent += b.at.Sub(before)
		b.at = b.at.Add(100 * time.Millisecond)
	}
	if whole := b.at.Sub(begun); spent == 0 || spent > whole/contactsShare+600*time.Millisecond {
		t.Errorf("%s of %s", spent, whole)
	}
}

// look lets the loop ask for a look, and gives it what is found: nothing wrong but what
// change says.
func (b *box) look(change func(*api.NameCheck)) {
	b.Helper()
	b.pass(time.Second)
	select {
	case l := <-b.looks:
		found := api.Names{Checks: slices.Clone(l.checks)}
		for i := range found.Checks {
			if c := &found.Checks[i]; c.Node == "" {
				change(c)
			}
		}
		b.looked(l, found)
		b.turn()
	default:
		b.Fatal("no look is asked for")
	}
}

func TestNamesAreLookedAtAtOnceWhenTheyChange(t *testing.T) {
	b := newBox(t, named)
	right, wrong := func(*api.NameCheck) {}, func(c *api.NameCheck) { c.ReverseWrong = "add a PTR record" }
	b.look(right)
	first := b.names.found.Checks[0].Since
	b.pass(4 * time.Minute)
	if len(b.looks) > 0 {
		t.Error("looks again before the interval is over")
	}
	b.pass(time.Minute)
	b.look(right)
	if since := b.names.found.Checks[0].Since; since != first {
		t.Errorf("the same for an hour is since %s, not %s", since, first)
	}

	// The configuration changes while a look is under way: what it finds is of old names.
	b.pass(5 * time.Minute)
	old := <-b.looks
	b.text = strings.Replace(named, "print.example.com", "other.example.com", 1)
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.looked(old, api.Names{Checks: old.checks})
	b.look(wrong)
	if c := b.names.found.Checks[0]; c.Name != "other.example.com" {
		t.Errorf("%+v", c)
	}
	b.pass(doubtfulAfter)
	b.look(wrong)
	b.wantTold(event.NameReverse, "warning: add a PTR record")

	// The name is taken out of the configuration, and its trouble with it.
	b.text = twoNodes
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.pass(time.Second)
	b.wantTold(event.NameReverse, "warning: add a PTR record", "notice: the name is not watched any more")
	for _, i := range b.incidents() {
		if i.Open() {
			t.Errorf("open still: %+v", i)
		}
	}
}
