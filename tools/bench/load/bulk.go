package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/rand/v2"
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
	// Summed has what arrives held against what was sent; else it is only counted,
	// which takes less of the processors that are measured.
	Summed bool `json:"summed,omitempty"`
}

// Summed are transfers of which each byte counts, as a proxy that mixes up what it
// carries can keep their number.
func Summed(to netip.AddrPort) Bulk { return Bulk{To: to, Streams: 8, Bytes: 3 << 20, Summed: true} }

// A stream's first byte says what the node is asked about it.
const (
	counted byte = iota
	summed
)

// took is what a node says of a stream.
type took struct {
	bytes uint64
	sum   uint32
}

const tookSize = 12

func (t took) encode() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, t.bytes), t.sum)
}

func decodeTook(b []byte) took {
	return took{bytes: binary.BigEndian.Uint64(b), sum: binary.BigEndian.Uint32(b[8:])}
}

func newSum() hash.Hash32 { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }

// Carried is what became of them.
type Carried struct {
	Bytes   uint64        `json:"bytes"`
	Elapsed time.Duration `json:"elapsed"`
}

// Run sends. A stream of which not every byte arrives is an error, and a summed one of
// which another arrives.
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
	sent, err := b.write(c, from)
	if err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	var taken [tookSize]byte
	if _, err := io.ReadFull(c, taken[:]); err != nil {
		return fmt.Errorf("read how much arrived: %w", err)
	}
	switch arrived := decodeTook(taken[:]); {
	case arrived.bytes != sent.bytes:
		return fmt.Errorf("%d of %d bytes arrived", arrived.bytes, sent.bytes)
	case arrived.sum != sent.sum:
		return fmt.Errorf("other bytes arrived than were sent: their sum is %08x, not %08x", arrived.sum, sent.sum)
	}
	return nil
}

// write writes a client's stream: nothing but zeros, or of a summed one bytes at random.
func (b Bulk) write(to io.Writer, from netip.Addr) (took, error) {
	piece := make([]byte, 256<<10)
	random, sum := Random(from), newSum()
	for sent := uint64(0); sent < b.Bytes; {
		now := piece[:min(b.Bytes-sent, uint64(len(piece)))]
		if b.Summed {
			_, _ = random.Read(now)
			if sent == 0 {
				now[0] = summed
			}
			_, _ = sum.Write(now)
		}
		n, err := to.Write(now)
		if err != nil {
			return took{}, err
		}
		sent += uint64(n)
	}
	if !b.Summed {
		return took{bytes: b.Bytes}, nil
	}
	return took{bytes: b.Bytes, sum: sum.Sum32()}, nil
}

// Random are bytes that are others for each address.
func Random(of netip.Addr) *rand.ChaCha8 {
	var seed [32]byte
	copy(seed[:], of.AsSlice())
	return rand.NewChaCha8(seed)
}
