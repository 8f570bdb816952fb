package flight

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/netns"
)

func TestNodeThatDoesNotTakeOurResetIsStubborn(t *testing.T) {
	b := newBench(t)
	b.listen(ts)
	b.answered(nodeIP4, ts)
	b.probe(10, nodeIP4, ts)
	if _, repeats := b.recorder.Flights(nodeIP4); repeats != 0 || len(b.recorder.Stubborn()) != 0 {
		t.Fatalf("an obedient node: %d repetitions", repeats)
	}
	b.Shell(b.node, "nft 'table inet deaf { chain in { type filter hook prerouting priority -400; tcp dport 5022 tcp flags & rst != 0 drop; }; }'")
	for range 30 {
		b.hold(boxIP4, b.send(nodeIP4, ts).SourcePort)
	}
	b.landed(nodeIP4)
	b.await(nodeIP4, "repetitions", func(flights []api.Flight, repeats uint64) bool {
		repeated, sum := 0, 0
		for _, f := range flights {
			sum += f.Repeats
			if f.Repeats > 0 {
				repeated++
			}
		}
		if uint64(sum) != repeats {
			t.Errorf("%d repetitions of the node, %d of its flights", repeats, sum)
		}
		return repeated == 30
	})
	if got := b.recorder.Stubborn(); len(got) != 1 || got[0] != nodeIP4 || b.recorder.Repeats()[nodeIP4] < 30 {
		t.Errorf("stubborn: %v, repetitions %v", got, b.recorder.Repeats())
	}
}

// hold takes a port, so that the kernel gives it to no other probe: to a node that is deaf
// to resets that would be the connection which it still has.
func (b *bench) hold(address netip.Addr, port uint16) {
	b.Helper()
	b.Must(b.box.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			return err
		}
		b.Cleanup(func() { unix.Close(fd) })
		return unix.Bind(fd, &unix.SockaddrInet4{Addr: address.As4(), Port: int(port)})
	}))
}

func TestLossOnTheWireMakesNoNodeStubborn(t *testing.T) {
	b := newBench(t)
	ports := make([]uint16, 60)
	for i := range ports {
		ports[i] = uint16(20000 + i)
	}
	b.listen(ports...)
	b.answered(nodeIP4, ports[0])
	for _, n := range []*netns.Namespace{b.box, b.node} {
		b.Shell(n, "nft 'table inet loss { chain in { type filter hook prerouting priority -400; tcp flags & (syn | ack | rst) != 0 numgen random mod 100 < 20 drop; }; }'")
	}
	begin := time.Now()
	done := make(chan api.Probe)
	for _, port := range ports {
		go func() { done <- b.send(nodeIP4, port) }()
	}
	open := 0
	for range ports {
		if (<-done).Outcome == api.Open {
			open++
		}
	}
	b.landed(nodeIP4)
	flights, repeats := b.recorder.Flights(nodeIP4)
	whole := 0
	for _, f := range flights {
		if f.Time.After(begin) && f.Outcome == api.Open && f.SYN.Before(f.SYNACK) && f.SYNACK.Before(f.RST) {
			whole++
		}
	}
	if whole != open || open < len(ports)/2 {
		t.Errorf("%d of %d open probes have their three packets", whole, open)
	}
	if got := b.recorder.Stubborn(); len(got) != 0 {
		t.Errorf("stubborn for loss: %v, %d repetitions", got, repeats)
	}
}
