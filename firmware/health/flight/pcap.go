package flight

import (
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"time"
)

// The header of a pcap file (draft-ietf-opsawg-pcap): times in nanoseconds, and
// packets that begin with their IP header.
const (
	pcapNanoseconds = 0xa1b23c4d
	linkTypeRaw     = 101
)

// WriteCapture writes the packets of the flights to a node, oldest first, as a file
// that tcpdump and Wireshark read. A node that was never probed is a file without
// packets.
func (r *Recorder) WriteCapture(w io.Writer, node netip.Addr) error {
	file := binary.LittleEndian.AppendUint32(nil, pcapNanoseconds)
	file = append(file, 2, 0, 4, 0) // version 2.4
	file = append(file, 0, 0, 0, 0, 0, 0, 0, 0)
	file = binary.LittleEndian.AppendUint32(file, headLength)
	file = binary.LittleEndian.AppendUint32(file, linkTypeRaw)
	for _, p := range r.packets(node) {
		file = binary.LittleEndian.AppendUint32(file, uint32(p.at/int64(time.Second)))
		file = binary.LittleEndian.AppendUint32(file, uint32(p.at%int64(time.Second)))
		file = binary.LittleEndian.AppendUint32(file, uint32(len(p.head)))
		file = binary.LittleEndian.AppendUint32(file, uint32(p.length))
		file = append(file, p.head...)
	}
	_, err := w.Write(file)
	return err
}

// packets copies the packets that are kept of a node, in the order of their times:
// the flights to two ports overlap.
func (r *Recorder) packets(node netip.Addr) (out []packet) {
	r.mu.Lock()
	var kept []byte
	if b := r.nodes[node]; b != nil {
		for f := range b.oldestFirst {
			kept = append(kept, f.packets...)
		}
	}
	r.mu.Unlock()
	for len(kept) > 0 {
		end := packetHead + int(kept[10])
		out = append(out, packet{
			at:     int64(binary.LittleEndian.Uint64(kept)),
			length: int(binary.LittleEndian.Uint16(kept[8:])),
			head:   kept[packetHead:end],
		})
		kept = kept[end:]
	}
	slices.SortStableFunc(out, func(a, b packet) int { return int(a.at - b.at) })
	return out
}
