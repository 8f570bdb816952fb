package dataplane

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Sighting is a packet that the rules show: the announcement of an FTP server, or a
// client that talks to a node's own address.
type Sighting struct {
	// Node is the node's own address and the port that it answers on.
	Node netip.AddrPort
	// Client is invalid in an announcement, which names no client of a masked group.
	Client netip.Addr
	// Announced is what a reply to PASV names, as it left the node; otherwise
	// invalid.
	Announced netip.AddrPort
}

// Witness reads copies of the few packets that the rules show.
type Witness struct{ copies }

const (
	// witnessGroup is the netlink group of the copies.
	witnessGroup = 5610
	// witnessed is the length of a copy: two headers with all options and a reply
	// to PASV.
	witnessed = 192
	// sightingsPerSecond bounds what copies cost, whatever is sent. One is enough to
	// know of a mistake.
	sightingsPerSecond = 20
)

// passiveReply begins the reply to PASV.
const passiveReply = "227 "

// show copies a packet to the witness.
func show() rule {
	return sum(below(sightingsPerSecond, sightingsPerSecond), copyTo(witnessGroup, witnessed))
}

// loadData loads what comes behind the TCP header, whatever options that has.
func loadData(length uint32) expr.Any {
	return &expr.Payload{DestRegister: regKey, Base: expr.PayloadBase(unix.NFT_PAYLOAD_INNER_HEADER), Len: length}
}

// NewWitness opens the witness in the network namespace of the calling thread.
func NewWitness() (*Witness, error) {
	c, err := openCopies(witnessGroup, witnessed)
	return &Witness{c}, err
}

// Run calls handle with what is seen until ctx ends (then it returns nil) or the
// kernel refuses (then it returns why).
func (w *Witness) Run(ctx context.Context, handle func(Sighting)) error {
	return w.run(ctx, func() {}, func(_ time.Time, head []byte) {
		if s, ok := parseSighting(head); ok {
			handle(s)
		}
	})
}

// parseSighting reads an IPv4 packet that the rules showed.
func parseSighting(packet []byte) (s Sighting, ok bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 || packet[9] != unix.IPPROTO_TCP {
		return s, false
	}
	source, _ := netip.AddrFromSlice(packet[12:16])
	destination, _ := netip.AddrFromSlice(packet[16:20])
	header := int(packet[0]&0xf) * 4
	if header < 20 || len(packet) < header+20 {
		return s, false
	}
	tcp := packet[header:]
	from := netip.AddrPortFrom(source, binary.BigEndian.Uint16(tcp))
	to := netip.AddrPortFrom(destination, binary.BigEndian.Uint16(tcp[2:]))
	switch tcp[13] & tcpFlags {
	case tcpSYN:
		return Sighting{Node: to, Client: from.Addr()}, true
	case tcpSYN | tcpACK:
		return Sighting{Node: from, Client: to.Addr()}, true
	}
	data := int(tcp[12]>>4) * 4
	if data < 20 || len(tcp) < data {
		return s, false
	}
	announced, ok := parsePassiveReply(string(tcp[data:]))
	return Sighting{Node: from, Announced: announced}, ok
}

// parsePassiveReply finds the six numbers wherever they stand in the line, as RFC
// 1123, 4.1.2.6, has clients do.
func parsePassiveReply(line string) (at netip.AddrPort, ok bool) {
	text, ok := strings.CutPrefix(line, passiveReply)
	first := strings.IndexAny(text, "0123456789")
	if !ok || first < 0 {
		return at, false
	}
	var a [4]byte
	var high, low byte
	if _, err := fmt.Sscanf(text[first:], "%d,%d,%d,%d,%d,%d", &a[0], &a[1], &a[2], &a[3], &high, &low); err != nil {
		return at, false
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(high)<<8|uint16(low)), true
}
