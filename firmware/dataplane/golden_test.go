package dataplane

import (
	"flag"
	"os"
	"regexp"
	"testing"
	"time"

	"spoolgate/firmware/config"
)

var update = flag.Bool("update", false, "write the golden files")

// TestTheTableReadsAsDesigned shows the live table as the nft program lists it.
func TestTheTableReadsAsDesigned(t *testing.T) {
	s := newSite(t)
	second := group(5)
	second.Nodes = second.Nodes[3:]
	second.VirtualAddress, second.Masked, second.Affinity = otherVIP, false, time.Hour
	second.FTPPorts, second.PassivePorts = nil, config.PortRange{First: 50000, Last: 50100}
	s.serve(group(3), second)
	s.must(s.table.Believe([]Refusal{{1, 5014}}))
	s.must(s.table.Apply(Layout{Groups: []Group{group(3), second}, Newcomers: 500}))
	got := s.listing()
	const golden = "testdata/table.nft"
	if *update {
		s.must(os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	s.must(err)
	if got != string(want) {
		t.Errorf("the table is not as in %s (-update writes it):\n%s", golden, got)
	}
}

// listing is the table as the nft program lists it, without the bindings.
func (s *site) listing() string {
	s.t.Helper()
	return regexp.MustCompile(`(?m)^\s*(expires|elements) .*expires.*\n`).ReplaceAllString(s.nft("list", "table", "ip", TableName), "")
}

// nft runs the nft program in the box: an outsider to the table.
func (s *site) nft(args ...string) string {
	s.t.Helper()
	out, err := s.box.Output("nft", append([]string{"-n"}, args...)...)
	s.must(err)
	return out
}
