package naming

import (
	"net"
	"net/netip"
	"slices"
	"testing"
)

// pipe is a connection that notes its end.
type pipe struct {
	net.Conn
	closed bool
}

func (p *pipe) Close() error {
	p.closed = true
	return nil
}

func TestSeatOfWhoWasSilentLongestIsTaken(t *testing.T) {
	var s seats
	var all []*pipe
	var taken []*seat
	sit := func(asker byte) {
		c := &pipe{}
		all, taken = append(all, c), append(taken, s.take(c, netip.AddrFrom4([4]byte{198, 18, 1, asker})))
	}
	want := func(when string, closed ...int) {
		t.Helper()
		for i, c := range all {
			if c.closed != slices.Contains(closed, i) {
				t.Errorf("%s: connection %d is closed: %v", when, i, c.closed)
			}
		}
		if len(s.taken) > mostTCP {
			t.Errorf("%s: %d seats are taken", when, len(s.taken))
		}
	}
	sit(100)
	for range mostOfOne {
		sit(1)
	}
	want("as many as one may have")
	s.use(taken[1])
	sit(1)
	want("one more of its own", 2)
	for i := range mostTCP - len(s.taken) {
		sit(byte(2 + i))
	}
	want("all that there are", 2)
	s.use(taken[0])
	sit(200)
	want("one more", 2, 3)
	s.leave(taken[0])
	sit(201)
	want("after one has left", 0, 2, 3)
	s.clear()
	if slices.ContainsFunc(all, func(c *pipe) bool { return !c.closed }) {
		t.Error("some are open at the end")
	}
}
