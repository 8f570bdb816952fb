package dataplane

import (
	"encoding/binary"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Registers as the nft program uses them, so that it can list the table: a key
// in register 1, the second half of a key of two in register 9, data in 2.
const (
	regKey    = unix.NFT_REG_1
	regSecond = unix.NFT_REG32_01
	regData   = unix.NFT_REG_2
)

// TCP flags, and the four that tell a first packet from the others.
const (
	tcpFIN   = 0x01
	tcpSYN   = 0x02
	tcpRST   = 0x04
	tcpACK   = 0x10
	tcpFlags = tcpFIN | tcpSYN | tcpRST | tcpACK
)

// dynsetDelete is NFT_DYNSET_OP_DELETE of linux/netfilter/nf_tables.h, which
// x/sys/unix lacks.
const dynsetDelete = 2

type rule []expr.Any

// sum joins parts of a rule; a part is an expression or a rule.
func sum(parts ...any) rule {
	var r rule
	for _, p := range parts {
		switch p := p.(type) {
		case rule:
			r = append(r, p...)
		case expr.Any:
			r = append(r, p)
		}
	}
	return r
}

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
func port(v uint16) []byte   { return binary.BigEndian.AppendUint16(nil, v) }

func (f family) load(offset uint32, reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: f.addrLen}
}

func loadTransport(offset, length, reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: length}
}

func loadMeta(key expr.MetaKey, reg uint32) expr.Any { return &expr.Meta{Key: key, Register: reg} }
func loadCt(key expr.CtKey, reg uint32) expr.Any     { return &expr.Ct{Key: key, Register: reg} }

// setCt writes the key register to the connection.
func setCt(key expr.CtKey) expr.Any {
	return &expr.Ct{Key: key, SourceRegister: true, Register: regKey}
}

// masked keeps the bits of mask of a register, and turns those of flip over.
func masked(reg uint32, mask, flip []byte) expr.Any {
	return &expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: uint32(len(mask)), Mask: mask, Xor: flip}
}

func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: regKey, Data: data}
}

func unequal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpNeq, Register: regKey, Data: data}
}

func isTCP() rule { return sum(loadMeta(expr.MetaKeyL4PROTO, regKey), equal([]byte{unix.IPPROTO_TCP})) }
func setMark() rule {
	return sum(&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: regKey})
}
func clearMark() rule {
	return sum(&expr.Immediate{Register: regKey, Data: native(0)}, setMark())
}

// keepMark writes the packet's mark to its connection.
func keepMark() rule {
	return sum(loadMeta(expr.MetaKeyMARK, regKey), setCt(expr.CtKeyMARK))
}

// Labels of a connection. Each is set once, and that it is set is the event that
// tells of it.
const (
	labelUnanswered = 1 << 0 // the client repeats its first packet, or was told no
	labelOver       = 1 << 1 // both ends have said that they are done, or one has reset
	labelSaid       = 1 << 2 // it began unsaid, and a look has found it
)

// labels are these of the 128 that there are.
func labels(bits byte) []byte { return append([]byte{bits}, make([]byte, 15)...) }

// label sets labels.
func label(bits byte) rule {
	return sum(&expr.Immediate{Register: regKey, Data: labels(bits)}, setCt(expr.CtKeyLABELS))
}

// without tells whether a connection has none of the labels.
func without(bits byte) rule {
	return sum(loadCt(expr.CtKeyLABELS, regKey), masked(regKey, labels(bits), labels(0)), equal(labels(0)))
}

// Notes on a connection, in the highest bits of its mark: a change of the mark is no
// event.
const (
	unsaid     = 1 << 28 // it has begun, and that was not told; at most whom it binds was
	hushed     = 1 << 29 // it is over, and that was not told either
	clientDone = 1 << 30
	nodeDone   = 1 << 31
	notes      = unsaid | hushed | clientDone | nodeDone
)

// loadNode loads the mark of a connection's node.
func loadNode(reg uint32) rule {
	return sum(loadCt(expr.CtKeyMARK, reg), masked(reg, native(^uint32(notes)), native(0)))
}

func hasNote(bit uint32) rule {
	return sum(loadCt(expr.CtKeyMARK, regKey), masked(regKey, native(bit), native(0)), unequal(native(0)))
}

// note gives the notes of mask the values of bits.
func note(mask, bits uint32) rule {
	return sum(loadCt(expr.CtKeyMARK, regKey), masked(regKey, native(^mask), native(bits)), setCt(expr.CtKeyMARK))
}

// status tells whether of these bits of a connection's status those are set that are
// wanted, and no other.
func status(bits, wanted uint32) rule {
	return sum(loadCt(expr.CtKeySTATUS, regKey), masked(regKey, native(bits), native(0)), equal(native(wanted)))
}

// Bits of IPCT_* in linux/netfilter/nf_conntrack_common.h.
const (
	eventNew     = 1 << 0
	eventRelated = 1 << 1
	eventDestroy = 1 << 2
	eventLabel   = 1 << 10
)

// tell says which events of a connection are sent. Without it there is one for each
// step of TCP: eight a connection.
func tell(events uint32) rule {
	return sum(&expr.Immediate{Register: regKey, Data: native(events)}, setCt(expr.CtKeyEVENTMASK))
}

// carriedLess tells whether both directions together are below so many bytes.
func carriedLess(bytes uint64) rule {
	return sum(loadCt(expr.CtKeyBYTES, regKey),
		&expr.Byteorder{SourceRegister: regKey, DestRegister: regKey, Op: expr.ByteorderHton, Len: 8, Size: 8},
		&expr.Cmp{Op: expr.CmpOpLt, Register: regKey, Data: binary.BigEndian.AppendUint64(nil, bytes)})
}

func noMark() rule { return sum(loadMeta(expr.MetaKeyMARK, regKey), equal(native(0))) }

func flags(mask byte) rule {
	return sum(loadTransport(13, 1, regKey), masked(regKey, []byte{mask}, []byte{0}))
}

func state(bits uint32) rule {
	return sum(loadCt(expr.CtKeySTATE, regKey), masked(regKey, native(bits), native(0)), unequal(native(0)))
}

func in(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: regKey, SetName: set.Name, SetID: set.ID}
}

func notIn(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: regKey, SetName: set.Name, SetID: set.ID, Invert: true}
}

// through looks the key up in a map and leaves the value in the key register.
func through(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: regKey, DestRegister: regKey, IsDestRegSet: true, SetName: set.Name, SetID: set.ID}
}

// dispatch looks the key up in a verdict map and follows it.
func dispatch(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: regKey, DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: set.Name, SetID: set.ID}
}

func verdict(kind expr.VerdictKind) expr.Any { return &expr.Verdict{Kind: kind} }
func jump(chain string) expr.Any             { return &expr.Verdict{Kind: expr.VerdictJump, Chain: chain} }
func goTo(chain string) expr.Any             { return &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain} }

func reset() expr.Any { return &expr.Reject{Type: unix.NFT_REJECT_TCP_RST} }

// packetClient is the key of a client's binding in its first packet.
func (f family) packetClient() rule {
	return sum(f.load(f.destination, regKey), f.load(f.source, regSecond))
}

// direction is 0 for packets of the client and 1 for those of the node.
func direction(d byte) rule { return sum(loadCt(expr.CtKeyDIRECTION, regKey), equal([]byte{d})) }

func write(op uint32, clients *nftables.Set, timeout time.Duration) expr.Any {
	return &expr.Dynset{SrcRegKey: regKey, SrcRegData: regData, SetName: clients.Name, SetID: clients.ID, Operation: op, Timeout: timeout}
}
