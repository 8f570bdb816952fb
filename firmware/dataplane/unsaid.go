package dataplane

import (
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// To tell of a connection costs a tenth of what it costs, so a busy box tells less of each:
//
//   - Up to toldPerSecond each is told of when it begins and when it is over.
//   - Above that the beginning is unsaid, but for one of each client in heardFor. Of one
//     that binds a client, or moves it, just this is told.
//   - What lasts is found by a look at the kernel's table, within 5 s, and is told of like
//     any other from then on. What is over before that is told of only if no node answered,
//     if the client never confirmed the answer, or if it carried much.
//   - A client that begins more than toldPerSecond by itself is told of in full.
//
// So who is where is known at once, as is whom a node does not serve; which connections
// are open is known a little later.
const (
	toldPerSecond = 200
	toldAtOnce    = 400
	// heardFor is how long ago a client may have been told of last, as long as it calls.
	heardFor = time.Minute
)

// newcomer is noted in the mark of a first packet whose client was bound just now.
const newcomer = 1 << 28

// unsaidRules are for first packets.
func (f family) unsaidRules(s sets) []rule {
	return []rule{
		sum(below(toldPerSecond, toldAtOnce), verdict(expr.VerdictReturn)),
		// The event of a new entry has this note, and says who is bound where.
		sum(loadMeta(expr.MetaKeyMARK, regKey), masked(regKey, native(newcomer), native(0)), unequal(native(0)), note(unsaid, unsaid), verdict(expr.VerdictReturn)),
		sum(f.packetClient(), notIn(s.heard), goTo("heard")),
		sum(hear(f, s), verdict(expr.VerdictReturn)),
		note(unsaid, unsaid),
		tell(eventRelated | eventDestroy | eventLabel),
	}
}

// hear notes that a client was told of, and tells whether it calls above the rate by
// itself: such a one is told of in full, or its limit would come late.
func hear(f family, s sets) rule {
	return sum(f.packetClient(), &expr.Dynset{SrcRegKey: regKey, SetName: s.heard.Name, SetID: s.heard.ID, Operation: unix.NFT_DYNSET_OP_ADD,
		Timeout: heardFor, Exprs: []expr.Any{above(toldPerSecond, toldPerSecond)}})
}
