package dataplane

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// synLayout is an order in which a TCP puts options into its SYN: bytes that must
// stand at offsets of the TCP header, and where "SACK permitted" is then.
type synLayout struct {
	options map[uint32][]byte
	sack    uint32
}

// synLayouts are those of the systems that printers run. With another one,
// replies in two segments hang as they do without all this.
var synLayouts = [...]synLayout{
	{map[uint32][]byte{20: {2, 4}, 24: {4, 2}}, 24},                                // Linux
	{map[uint32][]byte{20: {2, 4}, 24: {1, 1, 4, 2}}, 26},                          // OpenBSD, old Windows
	{map[uint32][]byte{20: {2, 4}, 24: {1, 3}, 28: {4, 2}}, 28},                    // FreeBSD, NetBSD
	{map[uint32][]byte{20: {2, 4}, 24: {1, 3}, 28: {1, 1, 4, 2}}, 30},              // Windows
	{map[uint32][]byte{20: {2, 4}, 24: {1, 3}, 28: {1, 1, 8, 10}, 40: {4, 2}}, 40}, // macOS, iOS
}

// withoutSACK overwrites the option "SACK permitted" (RFC 2018: kind 4, length 2)
// of a SYN by two no-operations.
//
// The FTP helper drops the first half of a reply that a server sends in two
// segments. With SACK the client confirms the second half, the server repeats
// the first alone for ever, and for ever it is dropped. Without, the server
// repeats all that is not acknowledged, the whole line, and the helper reads it.
// Control connections carry a few short lines: they don't miss SACK.
//
// The kernel can strip an option (nft: reset tcp option), but the library can't
// ask it to.
func withoutSACK() []rule {
	var rules []rule
	for _, l := range synLayouts {
		r := isTCP()
		for at := uint32(20); at <= l.sack; at += 4 {
			if want := l.options[at]; want != nil {
				r = sum(r, loadTCP(at, uint32(len(want)), regKey), equal(want))
			}
		}
		rules = append(rules, sum(r, &expr.Immediate{Register: regKey, Data: []byte{1, 1}},
			&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: regKey, Base: expr.PayloadBaseTransportHeader,
				Offset: l.sack, Len: 2, CsumType: unix.NFT_PAYLOAD_CSUM_INET, CsumOffset: 16}))
	}
	return rules
}
