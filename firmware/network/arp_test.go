package network

import (
	"bytes"
	"net/netip"
	"testing"
)

var vip = netip.MustParseAddr("198.18.0.200")

func FuzzNoPacketOnTheWireBreaksTheParser(f *testing.F) {
	f.Add(announcement(arpReply, []byte{2, 0, 0, 0, 0, 1}, vip).bytes())
	f.Add(probeFor([]byte{2, 0, 0, 0, 0, 1}, vip).bytes())
	f.Add([]byte{0, 1, 8, 0, 6, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseARP(b)
		if err == nil && !bytes.Equal(p.bytes(), b[:arpLength]) {
			t.Errorf("%x reads as %+v, which is %x", b, p, p.bytes())
		}
	})
}
