package naming

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/tools/lab/netns"
)

// place is a responder with its sockets in a namespace, and who asks it there.
type place struct {
	*testing.T
	*Responder
	space *netns.Namespace
}

// newPlace has the box's address and one of an asker in a namespace.
func newPlace(t *testing.T) *place {
	t.Helper()
	space, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	p := &place{T: t, Responder: NewResponder(slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now), space: space}
	p.Set(*zone())
	t.Cleanup(func() {
		p.Close()
		space.Close()
	})
	p.has(box, asker)
	p.listen(box)
	return p
}

func (p *place) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *place) has(addresses ...netip.Addr) {
	p.Helper()
	for _, a := range addresses {
		p.must(p.space.Address("lo", netip.PrefixFrom(a, a.BitLen())))
	}
}

func (p *place) listen(addresses ...netip.Addr) {
	p.Helper()
	p.must(p.space.Do(func() error { p.Listen(addresses); return nil }))
}

// dial connects to the box from an address.
func (p *place) dial(network string, from netip.Addr) net.Conn {
	p.Helper()
	var c net.Conn
	p.must(p.space.Do(func() (err error) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 5 * time.Second}
		if network == "udp" {
			d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		c, err = d.Dial(network, netip.AddrPortFrom(box, 53).String())
		return err
	}))
	p.Cleanup(func() { c.Close() })
	return c
}

// answered fails unless the group's name is answered for at once, over both.
func (p *place) answered(when string) {
	p.Helper()
	for _, transport := range []string{"+notcp", "+tcp"} {
		out, err := p.space.Output("dig", "@"+box.String(), "-b", asker.String(), "print.example.com", "+short", "+tries=1", "+time=4", transport)
		if err != nil || out != vip.String()+"\n" {
			p.Errorf("%s: dig %s: %v %s", when, transport, err, out)
		}
	}
}

func TestConnectionsThatAskNothingKeepNobodyFromAsking(t *testing.T) {
	p := newPlace(t)
	ended := make(chan struct{}, 1000)
	idle := func(from netip.Addr) {
		c := p.dial("tcp", from)
		go func() {
			c.Read(make([]byte, 1))
			ended <- struct{}{}
		}()
	}
	for range 5 * mostOfOne {
		idle(asker)
	}
	for range 4 * mostOfOne {
		<-ended // an asker loses its own, and those of nobody else
	}
	p.answered("with many of its own")
	for i := range 2 * mostTCP {
		from := netip.AddrFrom4([4]byte{198, 18, 2, byte(i)})
		p.has(from)
		idle(from)
	}
	for range mostTCP {
		<-ended
	}
	p.answered("with many of others")
	p.mu.Lock()
	seats := &p.doors[box].seats
	p.mu.Unlock()
	seats.mu.Lock()
	defer seats.mu.Unlock()
	if n := len(seats.taken); n > mostTCP {
		t.Errorf("%d connections are open", n)
	}
}

func TestGarbageOnTheWireEndsNothing(t *testing.T) {
	p := newPlace(t)
	random := rand.New(rand.NewPCG(1, 2))
	good, err := question("print.example.com.", 1).SetEdns0(1232, false).Pack()
	p.must(err)
	junk := func() []byte {
		b := make([]byte, random.IntN(600))
		if random.IntN(2) == 0 {
			b = append([]byte{}, good...)
		}
		for range 1 + random.IntN(5) {
			if len(b) > 0 {
				b[random.IntN(len(b))] = byte(random.IntN(256))
			}
		}
		return b
	}
	stranger := netip.MustParseAddr("198.18.2.1")
	p.has(stranger)
	c := p.dial("udp", stranger)
	for range 2000 {
		c.Write(junk())
	}
	p.answered("after packets of garbage")
	for i := range 30 {
		c := p.dial("tcp", stranger)
		b := junk()
		switch i % 3 {
		case 0: // cut short, and left open
			b = append([]byte{0xff, 0xff}, b...)
		case 1:
			b = append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
		case 2: // cut short, and closed
			b = []byte{byte(len(good) >> 8), byte(len(good)), good[0]}
		}
		c.Write(b)
		if i%3 == 2 {
			c.Close()
		}
	}
	p.answered("after streams of garbage")
}

func TestOneConnectionMayAskManyTimes(t *testing.T) {
	p := newPlace(t)
	args := []string{"@" + box.String(), "-b", asker.String(), "+tcp", "+keepopen", "+short"}
	for range 20 {
		args = append(args, "print.example.com", "A")
	}
	out, err := p.space.Output("dig", args...)
	if n := strings.Count(out, vip.String()); err != nil || n != 20 {
		t.Errorf("%d answers: %v", n, err)
	}
}

// DHCP may bring another address, or bring it late.
func TestAddressIsAnsweredAtAsLongAsItIsThere(t *testing.T) {
	p := newPlace(t)
	other := netip.MustParseAddr("198.18.0.3")
	at := func(a netip.Addr) error {
		_, err := p.space.Output("dig", fmt.Sprintf("@%s", a), "-b", asker.String(), "print.example.com", "+short", "+tries=1", "+time=1", "+tcp")
		return err
	}
	p.listen(box, other)
	if at(other) == nil {
		t.Error("an address that is not there answers")
	}
	p.has(other)
	p.listen(box, other)
	if err := at(other); err != nil {
		t.Errorf("the address that came late: %v", err)
	}
	p.listen(other)
	if at(box) == nil {
		t.Error("the address that is not wanted any more answers")
	}
	if err := at(other); err != nil {
		t.Errorf("the one that stays: %v", err)
	}
	p.mu.Lock()
	p.doors[other].packets.Close() // whatever may have ended it
	gone := p.doors[other]
	p.mu.Unlock()
	<-gone.closed
	p.listen(other)
	if err := at(other); err != nil {
		t.Errorf("after its socket ended: %v", err)
	}
}
