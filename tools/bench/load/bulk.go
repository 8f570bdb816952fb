package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bulk are long transfers side by side, from a client to the nodes, as scans are.
type Bulk struct {
	To      netip.AddrPort `json:"to"`
	First   int            `json:"first"`
	Streams int            `json:"streams"`
	// Bytes of each stream.
	Bytes uint64 `json:"bytes"`
}

// Carried is what became of them.
type Carried struct {
	Bytes   uint64        `json:"bytes"`
	Elapsed time.Duration `json:"elapsed"`
}

// Run sends. A stream of which not every byte arrives is an error.
func (b Bulk) Run(ctx context.Context) (Carried, error) {
	errs := make([]error, b.Streams)
	start := time.Now()
	var all sync.WaitGroup
	for i := range b.Streams {
		all.Go(func() { errs[i] = b.send(ctx, Client(b.First+i)) })
	}
	all.Wait()
	elapsed := time.Since(start)
	for i, err := range errs {
		if err != nil {
			return Carried{}, fmt.Errorf("stream %d of %d: %w", i+1, b.Streams, err)
		}
	}
	return Carried{Bytes: b.Bytes * uint64(b.Streams), Elapsed: elapsed}, nil
}

func (b Bulk) send(ctx context.Context, from netip.Addr) error {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	c, err := d.DialContext(ctx, "tcp4", b.To.String())
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	piece := make([]byte, 256<<10)
	for left := b.Bytes; left > 0; {
		n, err := c.Write(piece[:min(left, uint64(len(piece)))])
		if err != nil {
			return err
		}
		left -= uint64(n)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	var taken [8]byte
	if _, err := io.ReadFull(c, taken[:]); err != nil {
		return fmt.Errorf("read how much arrived: %w", err)
	}
	if n := binary.BigEndian.Uint64(taken[:]); n != b.Bytes {
		return fmt.Errorf("%d of %d bytes arrived", n, b.Bytes)
	}
	return nil
}
