package dataplane

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The journal is text, so that a technician can read it:
//
//	spoolgate bindings 1
//	written 1767225600
//	service 10.0.0.11 "Out of service"
//	bound 10.0.0.10 10.0.1.20 10.0.0.11 1800 1767221234
//	end 4 9ae0daaf
//
// A bound line has virtual address, client, node, seconds left and the Unix
// time since when, and the word "earlier" where it may be so for longer. The last line
// has the number of lines before it and their CRC-32: without it the file is torn.
const journalHeader = "spoolgate bindings 1\n"

func encodeRecord(r Record) []byte {
	b := []byte(journalHeader)
	b = fmt.Appendf(b, "written %d\n", r.Written.Unix())
	for _, node := range slices.SortedFunc(maps.Keys(r.Services), netip.Addr.Compare) {
		b = fmt.Appendf(b, "service %s %q\n", node, r.Services[node])
	}
	for _, e := range r.Entries {
		b = append(b, "bound "...)
		for _, a := range [...]netip.Addr{e.VirtualAddress, e.Client, e.Node} {
			b = append(a.AppendTo(b), ' ')
		}
		b = strconv.AppendInt(b, int64(e.Left/time.Second), 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, e.Since.Unix(), 10)
		if e.Earlier {
			b = append(b, " earlier"...)
		}
		b = append(b, '\n')
	}
	return fmt.Appendf(b, "end %d %08x\n", bytes.Count(b, []byte("\n")), crc32.ChecksumIEEE(b))
}

func decodeRecord(b []byte) (Record, error) {
	if !bytes.HasPrefix(b, []byte("spoolgate bindings ")) {
		return Record{}, errors.New("not a file of bindings")
	}
	if !bytes.HasPrefix(b, []byte(journalHeader)) {
		line, _, _ := bytes.Cut(b, []byte("\n"))
		return Record{}, fmt.Errorf("%q: written by another version of the firmware", line)
	}
	end := bytes.LastIndex(b, []byte("\nend ")) + 1
	if end == 0 {
		return Record{}, errors.New("the end is missing")
	}
	body := b[:end]
	if want := fmt.Appendf(nil, "end %d %08x\n", bytes.Count(body, []byte("\n")), crc32.ChecksumIEEE(body)); !bytes.Equal(b[end:], want) {
		return Record{}, errors.New("the check sum is wrong")
	}
	var r Record
	number := 1
	for line := range strings.Lines(string(body[len(journalHeader):])) {
		number++
		if err := r.decodeLine(strings.TrimSuffix(line, "\n")); err != nil {
			return Record{}, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return r, nil
}

func (r *Record) decodeLine(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "written":
		seconds, err := strconv.ParseInt(rest, 10, 64)
		r.Written = time.Unix(seconds, 0)
		return err
	case "service":
		address, quoted, _ := strings.Cut(rest, " ")
		node, err := netip.ParseAddr(address)
		if err != nil {
			return err
		}
		service, err := strconv.Unquote(quoted)
		if err != nil {
			return fmt.Errorf("service %s: %w", quoted, err)
		}
		if r.Services == nil {
			r.Services = map[netip.Addr]string{}
		}
		r.Services[node] = service
		return nil
	case "bound":
		return r.decodeBinding(strings.Fields(rest))
	}
	return fmt.Errorf("unknown word %q", word)
}

func (r *Record) decodeBinding(fields []string) error {
	earlier := len(fields) == 6 && fields[5] == "earlier"
	if len(fields) != 5 && !earlier {
		return fmt.Errorf("%d fields, want 5", len(fields))
	}
	var addrs [3]netip.Addr
	for i := range addrs {
		var err error
		if addrs[i], err = netip.ParseAddr(fields[i]); err != nil {
			return err
		}
	}
	var numbers [2]int64
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.ParseInt(fields[3+i], 10, 64); err != nil {
			return err
		}
	}
	const longest = int64(1<<63-1) / int64(time.Second)
	if numbers[0] < 0 || numbers[0] > longest {
		return fmt.Errorf("%d seconds left", numbers[0])
	}
	r.Entries = append(r.Entries, Entry{
		VirtualAddress: addrs[0], Client: addrs[1], Node: addrs[2],
		Left: time.Duration(numbers[0]) * time.Second, Since: time.Unix(numbers[1], 0), Earlier: earlier,
	})
	return nil
}
