package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"

	"spoolgate/firmware/api"
)

// heading is the first line of a file.
type heading struct {
	Ledger *ledger `json:"ledger"`
}

// resumption is a line that says where the numbers of reports went on at a start, and
// which of incidents may have been given before it.
type resumption struct {
	Resumed   uint64 `json:"resumed"`
	Incidents uint64 `json:"incidents"`
}

// content is what a file says.
type content struct {
	reports []api.Report
	ledger  *ledger // of the heading; nil without it
	resumed resumption
	closed  uint64 // from the closing line; 0 without it
	whole   int    // length of the text up to the last good line that is no closing one
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parse reads lines, and leaves out those that are not whole.
func parse(text []byte) (c content) {
	at := 0
	for l := range bytes.Lines(text) {
		at += len(l)
		sum, body, ok := bytes.Cut(bytes.TrimSuffix(l, []byte("\n")), []byte(" "))
		want, err := strconv.ParseUint(string(sum), 16, 32)
		if !ok || err != nil || len(sum) != 8 || crc32.Checksum(body, castagnoli) != uint32(want) || l[len(l)-1] != '\n' {
			continue
		}
		var v struct {
			api.Report
			closing
			heading
			resumption
		}
		if json.Unmarshal(body, &v) != nil {
			continue
		}
		if v.Next > 0 {
			c.closed = v.Next
			continue
		}
		c.whole = at
		if v.Ledger != nil {
			c.ledger = v.Ledger
			continue
		}
		if v.Resumed > 0 {
			c.resumed = v.resumption
			continue
		}
		c.reports = append(c.reports, v.Report)
	}
	return c
}

func line(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(body, castagnoli), body), nil
}
