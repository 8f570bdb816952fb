package mistake

import (
	"fmt"
	"net/netip"
	"time"

	"spoolgate/firmware/event"
)

const (
	// strayFor is how long an MFD must not be seen at a node's own address until
	// the finding is over: scans are rare.
	strayFor = 24 * time.Hour
	// strayed bounds the MFDs that are kept.
	strayed = 256
)

type strayKey struct {
	Place
	client netip.Addr
}

// stray is an MFD that goes to a node's own address.
type stray struct{ last time.Time }

// Direct takes a connection of a bound MFD to a passed port at the node's own
// address. The box sees it only where it is on the way between the two: with MFDs
// and nodes in one network it is not, unless the node of a transparent group sends
// its replies through its gateway.
func (b *Book) Direct(now time.Time, n Node, client netip.Addr, port uint16) []Finding {
	k := strayKey{n.Place, client}
	s := b.strays[k]
	if s == nil {
		if len(b.strays) >= strayed {
			return nil
		}
		s = &stray{}
		b.strays[k] = s
	}
	s.last = now
	return b.raise(now, key{event.ClientBypass, n.Place}, client.String(), func(clients []string) string {
		return fmt.Sprintf("MFD %s uses %s, node %s's own address, instead of the virtual address %s (last on port %d): what it sends there, such as scans, fails when %s does. "+
			"Set %s as the address wherever the MFD or the print system names the server (networkAddress in TerminalServer.exe.config, the scan destination), and no node's own",
			list(clients), n.Address, n.Node, n.VirtualAddress, port, n.Node, n.VirtualAddress)
	})
}

func (b *Book) tickStrays(now time.Time) (changes []Finding) {
	for k, s := range b.strays {
		if now.Sub(s.last) >= strayFor {
			delete(b.strays, k)
			changes = append(changes, b.settle(key{event.ClientBypass, k.Place}, k.client.String(),
				"no MFD has used the own address of node "+k.Node+" for a day")...)
		}
	}
	return changes
}
