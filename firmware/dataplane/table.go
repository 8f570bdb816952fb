// Package dataplane is the kernel side of the proxy engine: one nftables table
// that binds, deals and forwards by itself, the connections that it tracks,
// and the file that remembers who is where.
//
// Packets never enter this program. When it is stopped, killed or replaced the
// kernel goes on with the last plan; the next one adopts the table that is
// there and changes it in single transactions. The table is never flushed.
//
// What is not a group's is not forwarded, but for nodes of transparent groups,
// which have the box as their gateway: a machine that is a router beside this
// must give the table a network namespace of its own.
//
// All of it happens in the network namespace of the thread that calls Open and
// NewTracker; the values may be used from any thread afterwards.
package dataplane

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
)

// TableName is the name of the nftables table, of family ip.
const TableName = "spoolgate"

// onlyOne is the abstract socket that one program at a time has: its name is the
// network namespace's, and it is free when the program ends in whatever way. Two
// programs would write over each other, and neither group would be served.
const onlyOne = "@spoolgate-table"

// MaxSlots is the longest dealing plan of a group.
const MaxSlots = 256

// Table is the kernel's table. Its methods may be called concurrently; they
// take turns.
type Table struct {
	mu        sync.Mutex
	nft       *nftables.Conn
	table     *nftables.Table
	family    family
	sets      sets
	conntrack *conntrack
	poker     *poker
	timeouts  *timeouts
	alone     net.Listener

	there     kernel
	newcomers int // as of the last Apply
	// What Check knows: the number of the last change in the kernel that was ours,
	// and whether somebody else has made one.
	generation uint32
	touched    bool
	anew       bool     // whatever is there is not to be kept
	old        *Adopted // what was there at the start, of another version; nil otherwise
}

// Open opens the sockets and sets what the rules need of the kernel (sysctl.go
// says what and why). It reads the table that may be there and changes none
// of it. It needs CAP_NET_ADMIN and CAP_NET_RAW.
func Open() (_ *Table, err error) {
	t := &Table{family: ipv4()}
	t.table = &nftables.Table{Name: TableName, Family: t.family.table}
	t.sets = newSets(t.table, t.family)
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if t.alone, err = net.Listen("unix", onlyOne); err != nil {
		return nil, fmt.Errorf("another program keeps the table %s of this network namespace: end it first, or start this one in a namespace of its own (%w)", TableName, err)
	}
	if t.timeouts, err = prepareKernel(); err != nil {
		return nil, err
	}
	// A transaction of 16 groups is answered by more acknowledgements than the default
	// receive buffer holds, and Make sends all bindings as one.
	t.nft, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		return errors.Join(c.SetReadBuffer(8<<20), c.SetWriteBuffer(maxClients*bindingBytes), widen(c))
	}))
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	if t.conntrack, err = openConntrack(0); err != nil {
		return nil, err
	}
	if t.poker, err = openPoker(); err != nil {
		return nil, err
	}
	if t.generation, err = t.conntrack.generation(); err != nil {
		return nil, err
	}
	if err = t.recognise(); err != nil {
		return nil, err
	}
	return t, nil
}

// Close closes the sockets and leaves the table in place: the kernel goes on.
// A second Close does nothing.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	if t.alone != nil {
		errs = append(errs, t.alone.Close())
		t.alone = nil
	}
	if t.nft != nil {
		errs = append(errs, t.nft.CloseLasting())
	}
	if t.conntrack != nil {
		errs = append(errs, t.conntrack.close())
	}
	if t.poker != nil {
		errs = append(errs, t.poker.close())
	}
	if t.timeouts != nil {
		errs = append(errs, t.timeouts.close())
		t.timeouts = nil
	}
	return errors.Join(errs...)
}

func (t *Table) flush(what string) error {
	if err := t.commit(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// commit sends the transaction that was put together, and notes whether anybody else
// has changed something since the last one: see Check. The kernel numbers changes
// but not transactions that change nothing, so that counting ours is not enough.
func (t *Table) commit() error {
	before, err := t.conntrack.generation()
	if err != nil {
		return err
	}
	failed := t.nft.Flush()
	after, err := t.conntrack.generation()
	if err != nil {
		return errors.Join(failed, err)
	}
	t.touched = t.touched || before != t.generation || after-before > 1
	t.generation = after
	return failed
}
