package dataplane

import (
	"slices"
	"testing"
)

// Two groups with the usual port are still a site with one.
func TestFTPPortsAreThoseOfAllGroupsOnce(t *testing.T) {
	for _, c := range []struct{ first, second, want []uint16 }{
		{nil, nil, nil},
		{[]uint16{21}, nil, []uint16{21}},
		{[]uint16{2121, 21}, []uint16{21, 990}, []uint16{21, 990, 2121}},
	} {
		l := Layout{Groups: []Group{{FTPPorts: c.first}, {FTPPorts: c.second}}}
		if got := l.ftpPorts(); !slices.Equal(got, c.want) {
			t.Errorf("of %v and %v: %v, want %v", c.first, c.second, got, c.want)
		}
	}
}
