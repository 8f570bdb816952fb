package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// Condition is what Check found.
type Condition uint8

const (
	// Untouched: nobody else has changed anything.
	Untouched Condition = iota
	// Touched: somebody else has changed the machine's packet filter, and what
	// the table holds is right. A rule of it may be missing: Apply writes all.
	Touched
	// Lost: the table is not what it was, or gone, and the bindings may be too. Make
	// makes a new one.
	Lost
)

// Check looks whether somebody else has changed the machine's packet filter since
// the last Check, as a firewall that is restarted does by removing all there is. It
// costs one question to the kernel when nobody has.
func (t *Table) Check() (Condition, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, err := t.conntrack.generation()
	if err != nil {
		return Untouched, err
	}
	touched := t.touched || now != t.generation
	t.generation, t.touched = now, false
	if !touched {
		return Untouched, nil
	}
	// What can't be read is lost as well: a set or a chain is missing.
	if _, same := lookTwice(t.read, t.there.equal); same {
		return Touched, nil
	}
	t.there, t.anew = nothing(), true
	return Lost, nil
}

// lookTwice reads the table, and once more where it can't be read or is not what is
// expected. A read is many questions, and who changes the packet filter between two of
// them leaves half an answer, or none: what is called lost for that would be made anew
// under everybody who prints.
func lookTwice(read func() (kernel, error), expected func(kernel) bool) (kernel, bool) {
	for range 2 {
		if is, err := read(); err == nil && expected(is) {
			return is, true
		}
	}
	return nothing(), false
}

func (k kernel) equal(o kernel) bool {
	return k.exists == o.exists && maps.Equal(k.nodes, o.nodes) && maps.Equal(k.up, o.up) && maps.Equal(k.waiting, o.waiting) && maps.Equal(k.believed, o.believed) &&
		maps.EqualFunc(k.groups, o.groups, func(a, b dealt) bool {
			return a.affinity == b.affinity && a.source == b.source && a.spare == b.spare && slices.Equal(a.plan, b.plan)
		})
}

// generation is the number of changes that the packet filter of this network
// namespace has seen, ours and everybody's.
func (c *conntrack) generation() (id uint32, err error) {
	request := c.request(nil, unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0, nil)
	if err := unix.Sendto(c.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("ask for the generation of the packet filter: %w", err)
	}
	n, err := read(c.fd, c.buffer)
	if err != nil {
		return 0, fmt.Errorf("read the generation of the packet filter: %w", err)
	}
	found := false
	messages(c.buffer[:n], func(kind, _ uint16, body []byte) {
		if kind != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN || len(body) < 4 {
			return
		}
		attributes(body[4:], func(kind uint16, v []byte) {
			if kind == unix.NFTA_GEN_ID && len(v) == 4 {
				id, found = binary.BigEndian.Uint32(v), true
			}
		})
	})
	if !found {
		return 0, errors.New("the kernel did not tell the generation of the packet filter")
	}
	return id, nil
}
