package dataplane

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"spoolgate/firmware/config"
)

const ftpHelper = "ftp"

// Names of a group's chains. nft takes no colons in a name.
func groupChain(vip netip.Addr) string  { return chainName("group-", vip) }
func pickChain(vip netip.Addr) string   { return chainName("pick-", vip) }
func newChain(vip netip.Addr) string    { return chainName("new-", vip) }
func dealChain(vip netip.Addr) string   { return chainName("deal-", vip) }
func windowChain(vip netip.Addr) string { return chainName("window-", vip) }

func chainName(prefix string, vip netip.Addr) string {
	return prefix + strings.ReplaceAll(vip.String(), ":", "_")
}

// chain is one chain of the table and its rules.
type chain struct {
	nftables.Chain
	rules []rule
}

func plainChain(name string, rules ...rule) chain {
	return chain{Chain: nftables.Chain{Name: name}, rules: rules}
}

func hook(name string, kind nftables.ChainType, at *nftables.ChainHook, priority *nftables.ChainPriority, rules ...rule) chain {
	return chain{Chain: nftables.Chain{Name: name, Type: kind, Hooknum: at, Priority: priority}, rules: rules}
}

// commonChains are the chains that every packet passes, whatever the groups.
// The order is that of creation: a chain comes after those it jumps to.
func commonChains(f family, s sets, newcomers int, ftp []uint16) []chain {
	destination := f.load(f.destination, regKey)
	return []chain{
		// The place of what listens on the virtual address itself. Apply leaves
		// its rules alone.
		{Chain: nftables.Chain{Name: localPorts}},
		// A bound client whose node does not serve. While the box finds out
		// whether the node is there its client waits: TCP asks again in a second.
		plainChain("left",
			sum(loadMeta(expr.MetaKeyMARK, regKey), in(s.waiting), verdict(expr.VerdictDrop)),
			keepMark(),
			clearMark()),
		// Its binding goes only now that there is another node, and only if the
		// map still names a lost one: a packet that raced this one may have bound
		// the client anew already.
		plainChain("forget",
			keepMark(),
			sum(f.packetClient(), through(s.clients), setMark()),
			sum(loadMeta(expr.MetaKeyMARK, regKey), notIn(s.up),
				f.packetClient(), loadMeta(expr.MetaKeyMARK, regData), write(dynsetDelete, s.clients, 0)),
			sum(loadCt(expr.CtKeyMARK, regKey), setMark())),
		plainChain("newcomer", f.newcomerRules(s, newcomers)...),
		plainChain("heard", hear(f, s)),
		plainChain("unsaid", f.unsaidRules(s)...),
		// Both ends are done, or one has reset. What the kernel forgets later is told
		// only of connections that carried something to remember.
		plainChain("over",
			sum(loadNode(regKey), dispatch(s.windows)),
			// Not even that it is over is told of what was short. One that a look finds just
			// now is told of; as the two events may come in either order, there is a third
			// when the kernel forgets it. So is one that the client never confirmed.
			sum(hasNote(unsaid), status(statusExpected|statusSeenReply|statusAssured, statusSeenReply|statusAssured), carriedLess(much),
				note(unsaid|hushed, hushed), tell(0)),
			sum(hasNote(hushed), without(labelSaid), verdict(expr.VerdictReturn)),
			sum(hasNote(hushed), tell(eventDestroy|eventLabel)),
			label(labelOver),
			sum(carriedLess(much), status(statusExpected, 0), without(labelSaid), tell(eventLabel))),
		// A node that refuses a client may be one whose service has died: until that is
		// known the client shall not fail, but ask again, as TCP does after a second. A RST
		// that refuses has the sequence number 0 (RFC 9293, 3.10.7.1).
		plainChain("reset",
			sum(direction(1), loadTransport(4, 4, regKey), equal(make([]byte, 4)),
				loadNode(regKey), loadTransport(0, 2, regSecond), notIn(s.believed), verdict(expr.VerdictDrop)),
			sum(goTo("over"))),
		// A first packet of a connection that is there already: the client repeats it for
		// want of an answer. The label changes once, and its change is the event that tells
		// of it: who is answered costs nothing.
		plainChain("repeated",
			sum(flags(tcpFlags), equal([]byte{tcpSYN}), status(statusConfirmed, statusConfirmed), label(labelUnanswered))),
		plainChain("edges",
			sum(flags(tcpSYN), unequal([]byte{0}), goTo("repeated")),
			sum(flags(tcpRST), unequal([]byte{0}), goTo("reset")),
			sum(direction(0), hasNote(nodeDone), goTo("over")),
			sum(direction(1), hasNote(clientDone), goTo("over")),
			sum(direction(0), note(clientDone, clientDone)),
			sum(direction(1), note(nodeDone, nodeDone))),
		plainChain("virtual",
			sum(loadMeta(expr.MetaKeyL4PROTO, regKey), equal([]byte{f.icmp}), verdict(expr.VerdictAccept)),
			sum(state(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), verdict(expr.VerdictAccept)),
			sum(jump(localPorts)),
			sum(isTCP(), flags(tcpFlags), equal([]byte{tcpSYN}), state(expr.CtStateBitINVALID), verdict(expr.VerdictDrop)),
			// The orphan of a cut connection, too: its client must notice.
			sum(isTCP(), reset()),
			sum(&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: f.unreachable})),
		hook("own-packets", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityRaw, f.probeRules(s)...),
		// After a firewall of the machine: what it drops has not left.
		hook("departures", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityRef(last), f.departureRules(s)...),
		// A nat chain: only the first packet of a connection passes it. Orphans of a cut
		// connection, which have none, come to the box itself.
		hook("arrivals", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest,
			sum(isTCP(), state(expr.CtStateBitNEW), destination, dispatch(s.groups)),
			sum(loadNode(regKey), through(s.nodes),
				&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.table), RegAddrMin: regKey})),
		hook("from-virtual", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource,
			sum(loadMeta(expr.MetaKeyMARK, regKey), through(s.sources),
				&expr.NAT{Type: expr.NATTypeSourceNAT, Family: uint32(f.table), RegAddrMin: regKey})),
		// Before a firewall of the machine, which may drop orphans without a word.
		hook("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityRef(*nftables.ChainPriorityFilter-10),
			append([]rule{sum(destination, in(s.vips), jump("virtual"))}, f.answerRules(s)...)...),
		// The box forwards for its groups and is no router beside that: printers
		// must not reach the management network through it. Nodes of transparent
		// groups have it as their gateway, for whatever else they do.
		hook("passage", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter,
			sum(isTCP(), flags(tcpSYN|tcpFIN|tcpRST), unequal([]byte{0}), loadCt(expr.CtKeyMARK, regKey), unequal(native(0)), goTo("edges")),
			// All that follows is for few: most packets of connections end here.
			sum(loadCt(expr.CtKeyMARK, regKey), unequal(native(0)), isTCP(), notFrom(s.ftp, ftp), verdict(expr.VerdictAccept)),
			// What FTP servers announce, before the helper makes the virtual address
			// of it.
			sum(direction(1), isTCP(), loadData(uint32(len(passiveReply))), equal([]byte(passiveReply)), loadTransport(0, 2, regKey), in(s.ftp), show()),
			// A firewall that says no by ICMP; the client gives up without repeating
			// its first packet.
			sum(loadMeta(expr.MetaKeyL4PROTO, regKey), equal([]byte{f.icmp}), state(expr.CtStateBitRELATED),
				loadCt(expr.CtKeyMARK, regKey), unequal(native(0)), label(labelUnanswered)),
			sum(loadCt(expr.CtKeyMARK, regKey), unequal(native(0)), verdict(expr.VerdictAccept)),
			// Whoever talks to a node's own address; where the first packet does not
			// come by the box, the node's answer may.
			sum(destination, in(s.servers), isTCP(), flags(tcpFlags), equal([]byte{tcpSYN}), show()),
			sum(f.load(f.source, regKey), in(s.servers), isTCP(), flags(tcpFlags), equal([]byte{tcpSYN | tcpACK}), state(expr.CtStateBitINVALID), show()),
			sum(f.load(f.source, regKey), in(s.routed), verdict(expr.VerdictAccept)),
			sum(destination, in(s.routed), verdict(expr.VerdictAccept)),
			sum(&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: f.prohibited})),
	}
}

// notFrom tells whether a packet comes from none of a set's ports. The usual single one is
// compared: each packet is asked, and to look its port up is as much as all else that is
// asked of it.
func notFrom(set *nftables.Set, ports []uint16) rule {
	source := loadTransport(0, 2, regKey)
	switch len(ports) {
	case 0:
		return nil
	case 1:
		return sum(source, unequal(port(ports[0])))
	}
	return sum(source, notIn(set))
}

// last is behind all priorities that have a name.
const last = 400

// localPorts is the chain for what the box itself serves on virtual addresses.
const localPorts = "local-ports"

// pickRules is what happens to a first packet for a passed port.
func (f family) pickRules(s sets, g Group, source Mark, ftp *nftables.Set) []rule {
	rules := []rule{
		sum(f.packetClient(), in(s.limited), tally(countOverLimit), reset()),
		sum(clearMark(), f.packetClient(), through(s.clients), setMark()),
		sum(loadMeta(expr.MetaKeyMARK, regKey), unequal(native(0)), loadMeta(expr.MetaKeyMARK, regKey), notIn(s.up), jump("left")),
		// Read back: update does not overwrite, so whoever came first decides.
		// Without it 3 to 8 of 240 clients that opened 17 ports at once were split.
		sum(loadMeta(expr.MetaKeyMARK, regKey), unequal(native(0)),
			f.packetClient(), loadMeta(expr.MetaKeyMARK, regData), write(unix.NFT_DYNSET_OP_UPDATE, s.clients, g.Affinity),
			through(s.clients), setMark()),
		sum(noMark(), jump(newChain(g.VirtualAddress))),
		sum(loadMeta(expr.MetaKeyMARK, regKey), masked(regKey, native(uint32(MaxMark)), native(0)), setCt(expr.CtKeyMARK)),
		tell(eventNew | eventRelated | eventDestroy | eventLabel),
		sum(jump("unsaid")),
	}
	// From here to the postrouting hook the packet mark says as whom the nodes
	// see the client.
	masked := sum(&expr.Immediate{Register: regKey, Data: native(uint32(source))}, setMark())
	if g.Masked {
		rules = append(rules, masked)
	} else {
		rules = append(rules, sum(f.packetClient(), in(s.hairpin), masked))
	}
	if ftp != nil {
		rules = append(rules, sum(isTCP(), loadTransport(2, 2, regKey), in(ftp),
			&expr.Objref{Type: int(nftables.ObjTypeCtHelper), Name: ftpHelper}))
	}
	return rules
}

// windowRules start the window anew at the end of a connection, where a packet has the
// client's own address, but the node's instead of the virtual one. A forgotten or moved
// client is not bound back by the end of its old connection: only where the binding is
// still the connection's node.
func (f family) windowRules(s sets, g Group) []rule {
	renew := func(d byte, client uint32) rule {
		key := sum(&expr.Immediate{Register: regKey, Data: g.VirtualAddress.AsSlice()}, f.load(client, regSecond))
		return sum(direction(d), key, through(s.clients), setMark(),
			loadMeta(expr.MetaKeyMARK, regKey), loadNode(regSecond), in(s.same),
			key, loadNode(regData), write(unix.NFT_DYNSET_OP_UPDATE, s.clients, g.Affinity))
	}
	return []rule{renew(0, f.source), renew(1, f.destination)}
}

// passedPorts are the merged ranges of all ports that follow the binding.
func passedPorts(g Group) []config.PortRange {
	ranges := slices.Clone(g.Ports)
	for _, p := range g.FTPPorts {
		ranges = append(ranges, config.PortRange{First: p, Last: p})
	}
	if !g.PassivePorts.IsZero() {
		ranges = append(ranges, g.PassivePorts)
	}
	slices.SortFunc(ranges, func(a, b config.PortRange) int { return int(a.First) - int(b.First) })
	var merged []config.PortRange
	for _, r := range ranges {
		if n := len(merged); n > 0 && int(r.First) <= int(merged[n-1].Last)+1 {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// groupRules are comparisons and not a set of ranges: with one, clients were
// refused while Apply was at work, because the elements of a new interval set
// can be seen only some time after the rules that look them up.
func groupRules(g Group) []rule {
	var rules []rule
	for _, r := range passedPorts(g) {
		rules = append(rules, sum(isTCP(), loadTransport(2, 2, regKey),
			&expr.Cmp{Op: expr.CmpOpGte, Register: regKey, Data: port(r.First)},
			&expr.Cmp{Op: expr.CmpOpLte, Register: regKey, Data: port(r.Last)},
			goTo(pickChain(g.VirtualAddress))))
	}
	return rules
}
