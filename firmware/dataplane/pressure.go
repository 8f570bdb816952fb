package dataplane

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Pressure is how near the kernel is to its bounds, and what it turned away. The
// numbers of packets count on for as long as the kernel runs, but for those of a
// table that somebody removed.
type Pressure struct {
	// Connections that the kernel tracks, closed ones of the last seconds included,
	// and the most that it can.
	Connections, MostConnections int
	// Dropped are first packets that found no room among them.
	Dropped uint64
	// OverLimit are first packets of clients that Limit names, HeldBack those of
	// newcomers above the rate, NoRoom those of newcomers that could not be bound.
	OverLimit, HeldBack, NoRoom uint64
}

// Pressure asks the kernel. It costs some 50 us.
func (t *Table) Pressure() (p Pressure, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.Connections, p.MostConnections, err = t.conntrack.entries(); err != nil {
		return p, err
	}
	if p.Dropped, err = t.conntrack.dropped(); err != nil {
		return p, err
	}
	if !t.there.exists {
		return p, nil
	}
	for name, n := range map[string]*uint64{countOverLimit: &p.OverLimit, countHeldBack: &p.HeldBack, countNoRoom: &p.NoRoom} {
		o, err := t.nft.GetObject(&nftables.NamedObj{Table: t.table, Name: name, Type: nftables.ObjTypeCounter})
		if err != nil {
			return p, fmt.Errorf("read counter %s: %w", name, err)
		}
		if named, ok := o.(*nftables.NamedObj); ok {
			if c, ok := named.Obj.(*expr.Counter); ok {
				*n = c.Packets
			}
		}
	}
	return p, nil
}

// Messages and attributes of linux/netfilter/nfnetlink_conntrack.h.
const (
	ctGetStatsCPU = 4
	ctGetStats    = 5

	ctaStatsDrop          = 10
	ctaStatsGlobalEntries = 1
	ctaStatsGlobalMost    = 2
)

// entries is how many connections are tracked, and the most that can be.
func (c *conntrack) entries() (is, most int, err error) {
	err = c.statistics(ctGetStats, 0, func(kind uint16, v uint32) {
		switch kind {
		case ctaStatsGlobalEntries:
			is = int(v)
		case ctaStatsGlobalMost:
			most = int(v)
		}
	})
	return is, most, err
}

// dropped is the number of packets that found no room, of all processors.
func (c *conntrack) dropped() (n uint64, err error) {
	err = c.statistics(ctGetStatsCPU, unix.NLM_F_DUMP, func(kind uint16, v uint32) {
		if kind == ctaStatsDrop {
			n += uint64(v)
		}
	})
	return n, err
}

// statistics calls see with the 32-bit attributes of the answers to a question.
func (c *conntrack) statistics(what, flags uint16, see func(kind uint16, v uint32)) error {
	err := c.ask(what, flags|unix.NLM_F_ACK, nil, func(_ uint16, body []byte) {
		attributes(body, func(kind uint16, v []byte) {
			if len(v) == 4 {
				see(kind, binary.BigEndian.Uint32(v))
			}
		})
	})
	if err != nil {
		return fmt.Errorf("statistics of conntrack: %w", err)
	}
	return nil
}
