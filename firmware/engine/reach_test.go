package engine

import (
	"net/netip"
	"strings"
	"testing"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
)

func TestGroupWhoseAddressIsAnothersServesNobody(t *testing.T) {
	vip := netip.MustParseAddr("198.18.0.10")
	e := &Engine{}
	g := &group{Group: config.Group{VirtualAddress: vip}}
	tests := []struct {
		hold    *api.Hold
		unreach bool
	}{
		{nil, false}, // no netd: nobody knows
		{&api.Hold{State: api.Held}, false},
		{&api.Hold{State: api.Disputed, Holder: "02:00:5e:10:00:07"}, false},
		{&api.Hold{State: api.Waiting, Reason: "no cable"}, true},
		{&api.Hold{State: api.Conflict, Reason: "02:00:5e:10:00:07 has it"}, true},
	}
	for _, tt := range tests {
		e.holds = map[netip.Addr]api.Hold{}
		if tt.hold != nil {
			e.holds[vip] = *tt.hold
		}
		got := e.unreached(g)
		if (got != "") != tt.unreach || tt.unreach && !strings.Contains(got, tt.hold.Reason) {
			t.Errorf("%+v: %q", tt.hold, got)
		}
	}
}
