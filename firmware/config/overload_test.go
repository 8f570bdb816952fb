package config

import (
	"strings"
	"testing"
)

func TestLimitsAreGenerousUnlessTheyAreConfigured(t *testing.T) {
	c, err := Parse([]byte(smallest), Required())
	if err != nil || c.Newcomers != 500 || c.Groups[0].Limits.Connections != 1000 {
		t.Errorf("%d newcomers, %+v: %v", c.Newcomers, c.Groups[0].Limits, err)
	}
	c, err = Parse([]byte("limits.newcomers = 1000\n"+smallest+"limits.connections = 50\n"), Required())
	if err != nil || c.Newcomers != 1000 || c.Groups[0].Limits.Connections != 50 {
		t.Errorf("%d newcomers, %+v: %v", c.Newcomers, c.Groups[0].Limits, err)
	}
}

func TestLimitsThatWouldStopMFDsAreRefused(t *testing.T) {
	for _, tt := range []struct{ top, group, want string }{
		{"", "limits.connections = 49", "group[1].limits.connections: 49 is outside 50 to 60000; an MFD needs some 40 at once"},
		{"", "limits.connections = 60001", "group[1].limits.connections: 60001 is outside"},
		{"", "limits.connections = \"many\"", "group[1].limits.connections: this is a text"},
		{"", "limits.newcomers = 100", "group[1].limits.newcomers: there is no such key"},
		{"limits.newcomers = 9", "", "limits.newcomers: 9 is outside 10 to 1000; 20,000 are let in at once"},
		{"limits.newcomers = 1001", "", "limits.newcomers: 1001 is outside"},
		{"limits.connections = 100", "", "limits.connections: there is no such key"},
	} {
		_, err := Parse([]byte(tt.top+"\n"+smallest+tt.group+"\n"), Required())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s%s: %v", tt.top, tt.group, err)
		}
	}
}
