package engine

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/event"
)

func TestGroupWhoseAddressIsAnothersServesNobody(t *testing.T) {
	vip := netip.MustParseAddr("198.18.0.10")
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
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
		{&api.Hold{State: api.Waiting, Reason: "netd was restarted", Since: now}, false},
		{&api.Hold{State: api.Conflict, Reason: "02:00:5e:10:00:07 has it"}, true},
	}
	for _, tt := range tests {
		e.holds = map[netip.Addr]api.Hold{}
		if tt.hold != nil {
			e.holds[vip] = *tt.hold
		}
		got := e.unreached(g, now)
		if (got != "") != tt.unreach || tt.unreach && !strings.Contains(got, tt.hold.Reason) {
			t.Errorf("%+v: %q", tt.hold, got)
		}
	}
}

// Beside no netd a person gives the machine its address, or forgets to.
func TestVirtualAddressThatNoInterfaceHasServesNobody(t *testing.T) {
	b := newBox(t, twoNodes)
	has := false
	b.opts.Has = func(a netip.Addr) bool { return has && a == vip }
	b.round(api.Open)
	b.pass(settlingIn)
	if s := b.last().Box; s.State != api.NothingServing || !strings.Contains(s.Reason, "no interface of this machine has that address") {
		t.Errorf("%+v", s)
	}
	has = true
	b.pass(time.Second)
	if s := b.last().Box; s.State != api.OK {
		t.Errorf("%+v", s)
	}
}

// The address was wrong and is corrected: what was told of it is over.
func TestAlertOfAnAddressEndsWhenTheGroupHasAnother(t *testing.T) {
	b := newBox(t, twoNodes)
	b.opts.Has = func(a netip.Addr) bool { return a != vip }
	b.round(api.Open)
	b.rounds(settlingIn+time.Minute, api.Open)
	if open := b.last().Incidents; len(open) != 1 || open[0].Kind != event.GroupUnreached {
		t.Fatalf("%+v", open)
	}
	b.text = strings.Replace(twoNodes, vip.String(), "198.18.0.15", 1)
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.rounds(time.Minute, api.Open)
	if s := b.last(); s.Box.State != api.OK || len(s.Incidents) != 0 {
		t.Errorf("%s, %+v", s.Box.State, s.Incidents)
	}
}

// The verdict is one for lamps, spoolctl and web UI: nodes that serve are of no
// use to MFDs that do not reach the box.
func TestNobodyPrintsThroughAnAddressThatAnotherMachineHas(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.holds = map[netip.Addr]api.Hold{netip.MustParseAddr("198.18.0.10"): {State: api.Conflict, Reason: "the machine 02:00:5e:10:00:07 has it"}}
	b.pass(settlingIn)
	s, _ := b.snapshots.Latest()
	if s.Box.State != api.NothingServing || !strings.Contains(s.Box.Reason, "02:00:5e:10:00:07") {
		t.Errorf("box: %s: %s", s.Box.State, s.Box.Reason)
	}
	b.wantTold(event.GroupState, "notice: group print: OK: all 2 nodes serve",
		"alert: group print: Nothing serving: MFDs do not reach the box at 198.18.0.10: the machine 02:00:5e:10:00:07 has it")
	b.holds = map[netip.Addr]api.Hold{netip.MustParseAddr("198.18.0.10"): {State: api.Held}}
	b.pass(settlingIn)
	if s, _ := b.snapshots.Latest(); s.Box.State != api.OK {
		t.Errorf("once it is held: %s: %s", s.Box.State, s.Box.Reason)
	}
}

func TestCableThatIsOutIsThatOfTheServiceInterface(t *testing.T) {
	for name, tt := range map[string]struct {
		nics []api.Interface
		want string
	}{
		"nothing known":      {nil, ""},
		"cable in":           {[]api.Interface{{Role: "service", Name: "end0", Carrier: true}}, ""},
		"cable out":          {[]api.Interface{{Role: "service", Name: "end0"}, {Role: "management", Name: "end1", Carrier: true}}, "the service interface end0 of this box has no cable, or the other end is off"},
		"management out":     {[]api.Interface{{Role: "service", Name: "end0", Carrier: true}, {Role: "management", Name: "end1"}}, ""},
		"service not in use": {[]api.Interface{{Role: "service", Name: "end0", Disabled: true}}, ""},
	} {
		if got := cableOut(api.Network{Interfaces: tt.nics}); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestAddressThatAnotherMachineClaimsIsAnIncidentUntilItIsGivenUp(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.pass(settlingIn)
	b.reach(map[netip.Addr]api.Hold{vip: {State: api.Disputed, Reason: "02:00:5e:10:00:07 claims it"}}, "")
	b.pass(time.Second)
	if l := b.last().Incidents; len(l) != 1 || l[0].Title != "Another machine claims the virtual address of group print" || !strings.Contains(l[0].Cause, "02:00:5e:10:00:07") {
		t.Errorf("%+v", l)
	}
	b.reach(map[netip.Addr]api.Hold{vip: {State: api.Held}}, "")
	b.pass(time.Second)
	if l := b.last().Incidents; len(l) != 0 {
		t.Errorf("%+v", l)
	}
}
