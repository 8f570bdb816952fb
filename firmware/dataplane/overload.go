package dataplane

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

const (
	// newcomersAtOnce is how many unknown clients are let in at once before their rate
	// counts: all MFDs of the largest site, when the power is back. Fewer than the
	// neighbours that a box can know (gc_thresh3 in init): made-up addresses of its own
	// network are asked for one by one.
	newcomersAtOnce = 20000
	// A newcomer above the rate is let in when it asks again within asksAgain: TCP
	// repeats a first packet after a second, and whoever sends in the name of ever
	// new others does not. So many a second, and so many at once.
	asksAgain         = 5 * time.Second
	askedAgainAtOnce  = 1000
	askedAgainSeconds = 250
	// maxAsked bounds those who are remembered for it; the rest are not let in.
	maxAsked = 1 << 16
	// maxLimited bounds the clients that get no new connections.
	maxLimited = 1 << 12
)

// Names of the counters of first packets that got no connection. They live as long
// as the table.
const (
	countOverLimit = "over-limit" // of clients that Limit names: refused
	countHeldBack  = "held-back"  // of newcomers above the rate: no answer
	countNoRoom    = "no-room"    // of newcomers that could not be bound: refused
)

// LimitedFor is how long a client is limited unless Limit is called again: without a
// brain nobody would notice that it has closed its connections.
const LimitedFor = time.Minute

// Caller is a client of a group.
type Caller struct{ VirtualAddress, Client netip.Addr }

// Limit makes these, up to 4,096, the clients whose new connections are refused with
// RST, for LimitedFor from now; what is open goes on. All others may connect.
func (t *Table) Limit(callers []Caller) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.there.exists {
		return nil
	}
	var in []nftables.SetElement
	for _, c := range callers[:min(len(callers), maxLimited)] {
		e := addressElement(c.VirtualAddress.Unmap(), c.Client.Unmap())
		e.Timeout = LimitedFor
		in = append(in, e)
	}
	// An element's time can't be changed in place on kernels before 6.12. One that
	// ends meanwhile fails the transaction, and is not among those of the next one.
	var err error
	for range 3 {
		if err = t.limit(in); err == nil || !busy(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("limit clients: %w", err)
	}
	return nil
}

// limit replaces all that are limited.
func (t *Table) limit(in []nftables.SetElement) error {
	is, err := t.nft.GetSetElements(t.sets.limited)
	if err != nil {
		return fmt.Errorf("read who is limited: %w", err)
	}
	var out []nftables.SetElement
	for _, e := range is {
		out = append(out, nftables.SetElement{Key: e.Key})
	}
	if len(in) == 0 && len(out) == 0 {
		return nil
	}
	if err := t.change(t.sets.limited, in, out); err != nil {
		return err
	}
	return t.commit()
}

func counters() []string { return []string{countOverLimit, countHeldBack, countNoRoom} }

// addCounters makes the counters, and leaves those that are there.
func (t *Table) addCounters() {
	for _, name := range counters() {
		t.nft.AddObj(&nftables.NamedObj{Table: t.table, Name: name, Type: nftables.ObjTypeCounter, Obj: &expr.Counter{}})
	}
}

// tally counts a packet in one of the counters.
func tally(name string) expr.Any { return &expr.Objref{Type: int(nftables.ObjTypeCounter), Name: name} }

// Admit says whether there is room for clients without a binding: without, they are
// refused. Those that are bound stay so, whatever happens to their nodes. Apply lets
// them in.
func (t *Table) Admit(newcomers bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.there.exists {
		return nil
	}
	rules := t.family.newcomerRules(t.sets, t.newcomers)
	if !newcomers {
		rules = []rule{sum(isTCP(), tally(countNoRoom), reset())}
	}
	t.writeChain(plainChain("newcomer", rules...), true)
	return t.flush("change whether newcomers are let in")
}

// newcomerRules let unknown clients in at a rate. They are one chain for all groups:
// the map of bindings is one.
func (f family) newcomerRules(s sets, perSecond int) []rule {
	if perSecond == 0 {
		return nil
	}
	return []rule{
		sum(below(perSecond, newcomersAtOnce), verdict(expr.VerdictReturn)),
		sum(f.packetClient(), in(s.asked), below(askedAgainSeconds, askedAgainAtOnce), verdict(expr.VerdictReturn)),
		sum(f.packetClient(), &expr.Dynset{SrcRegKey: regKey, SetName: s.asked.Name, SetID: s.asked.ID, Operation: unix.NFT_DYNSET_OP_ADD, Timeout: asksAgain}),
		sum(tally(countHeldBack), verdict(expr.VerdictDrop)),
	}
}

func below(perSecond, atOnce int) *expr.Limit {
	return &expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(perSecond), Unit: expr.LimitTimeSecond, Burst: uint32(atOnce)}
}

func above(perSecond, atOnce int) *expr.Limit {
	l := below(perSecond, atOnce)
	l.Over = true
	return l
}

// newRules bind a client that has no node, or none that serves.
func (f family) newRules(s sets, g Group) []rule {
	return []rule{
		// Whoever was bound is no newcomer.
		sum(loadCt(expr.CtKeyMARK, regKey), equal(native(0)), jump("newcomer")),
		sum(jump(dealChain(g.VirtualAddress))),
		sum(noMark(), f.load(f.destination, regKey), through(s.spare), setMark()),
		sum(isTCP(), noMark(), reset()),
		sum(loadCt(expr.CtKeyMARK, regKey), unequal(native(0)), jump("forget")),
		sum(f.packetClient(), loadMeta(expr.MetaKeyMARK, regData), write(unix.NFT_DYNSET_OP_UPDATE, s.clients, g.Affinity)),
		// Read back, as for clients that are bound. One that could not be, because the map
		// is full, is not served: its connections would be split over the nodes.
		clearMark(),
		sum(f.packetClient(), through(s.clients), setMark()),
		sum(isTCP(), noMark(), tally(countNoRoom), reset()),
		sum(loadMeta(expr.MetaKeyMARK, regKey), masked(regKey, native(^uint32(newcomer)), native(newcomer)), setMark()),
	}
}
