package web

import (
	"bytes"
	"html/template"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func sample() view {
	node := func(name, address string, h api.Health, s api.Service, clients int) api.Node {
		return api.Node{Name: name, Address: netip.MustParseAddr(address), Weight: 1, Health: h, HealthReason: "port 5022 refused the connection 3 times in a row", HealthSince: at,
			Service: s, ServiceReason: "configured", ServiceSince: at, Serving: h == api.Up && s == api.InService, Clients: clients, Connections: 2}
	}
	return view{
		Balancer: &api.Snapshot{Version: 7, Time: at,
			Box: api.Box{State: api.NoSpare, Reason: "one node carries everything: B is Down", Since: at, Hostname: "spoolgate-2"},
			Groups: []api.Group{{
				Name: "print", VirtualAddress: netip.MustParseAddr("198.18.0.10"), Mode: "masked", Affinity: api.Duration(30 * time.Minute),
				Ports: []string{"21", "5011-5025", "5610"}, State: api.NoSpare, Reason: "one node carries everything: B is Down", Clients: 4, Connections: 6,
				Nodes: []api.Node{
					node("A", "198.18.0.11", api.Up, api.InService, 3),
					node("B", "198.18.0.12", api.Down, api.InService, 1),
					node("C", "198.18.0.13", api.Up, api.Draining, 0),
				},
			}},
		},
		Panel: &api.Panel{Lamps: []api.Lamp{
			{Label: "box", Pattern: api.Slow, Colour: api.Amber, Meaning: "No spare"},
			{Label: "B", Pattern: api.Fast, Colour: api.Red, Meaning: "Down"},
		}},
		Services: &api.Services{Boot: api.Boot{Version: "1.0.0", Problems: []string{"the data partition can't be read, defaults are used"}},
			Services: []api.Daemon{{Name: "netd", State: api.DaemonWaiting, Reason: "it ended 3 times"}}},
		Events: []api.Event{{Seq: 1, Time: at, Severity: "info", Text: "first"}, {Seq: 2, Time: at, Severity: "alert", Text: "<second>"}},
	}
}

func render(t *testing.T, v view) string {
	t.Helper()
	pages, err := template.ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "layout", newPage(v, at)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPageTellsBothAxesWithReasonAndSince(t *testing.T) {
	html := render(t, sample())
	for _, want := range []string{
		"People can print, but there is no spare.", "One node carries everything: B is Down.",
		"198.18.0.10", "Port 5022 refused the connection 3 times in a row.", "2 Mar 08:00:00",
		"<span>Draining <", "<span>Down <", "slow amber: No spare", "fast red: Down", "lamp red fast",
		"The data partition can&#39;t be read, defaults are used.", "Netd is waiting: it ended 3 times.",
		"an MFD stays on its node for 30 minutes", "75 % of the group", "&lt;second&gt;", "Firmware 1.0.0.",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Index(html, "&lt;second&gt;") > strings.Index(html, ">first<") {
		t.Error("the newest event is not first")
	}
}

func TestVerdictAnswersWhetherPeopleCanPrint(t *testing.T) {
	with := func(state api.BoxState, groups ...api.BoxState) view {
		v := view{Balancer: &api.Snapshot{Box: api.Box{State: state}}}
		for _, s := range groups {
			v.Balancer.Groups = append(v.Balancer.Groups, api.Group{State: s})
		}
		return v
	}
	tests := []struct {
		view view
		want string
		tone string
	}{
		{with(api.OK, api.OK), "People can print, and there is a spare.", "good"},
		{with(api.NoSpare, api.NoSpare), "People can print, but there is no spare.", "warn"},
		{with(api.NothingServing, api.NothingServing), "Nobody can print.", "bad"},
		{view{Balancer: &api.Snapshot{Box: api.Box{State: api.NothingServing}, Groups: []api.Group{{State: api.NothingServing, BoundOnly: true}}}}, "Some people can't print.", "bad"},
		{with(api.NothingServing, api.NothingServing, api.OK), "Some people can't print.", "bad"},
		{view{Lost: at}, "Nobody can tell whether people can print.", "warn"},
		{with(api.NothingServing), "This box is new.", "quiet"},
		{view{}, "One moment.", "quiet"},
	}
	for _, tt := range tests {
		if got := judge(tt.view); got.Sentence != tt.want || got.Tone != tt.tone {
			t.Errorf("%+v: %q, %s", tt.view.Balancer, got.Sentence, got.Tone)
		}
	}
}

func TestTroubleOfInterfacesIsNoted(t *testing.T) {
	for _, tt := range []struct {
		is   api.Interface
		want string
	}{
		{api.Interface{Role: "service", Name: "end0"}, "The service interface end0 has no link: is the cable in, and the switch port on?"},
		{api.Interface{Role: "service", Name: "end0", Carrier: true}, "The service interface end0 has no address yet."},
		{api.Interface{Role: "service", Name: "end0", Carrier: true, Trouble: "no DHCP server answers"}, "The service interface end0: no DHCP server answers."},
		{api.Interface{Role: "management", Disabled: true}, ""},
		{api.Interface{Role: "service", Carrier: true, Address: []api.AddressOfBox{{Hold: api.Hold{State: api.Held}}}}, ""},
	} {
		if got := strings.Join(notes(view{Network: &api.Network{Interfaces: []api.Interface{tt.is}}}), "|"); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.is, got, tt.want)
		}
	}
}

func TestStatesAreToldByShapeAndWordNotByColourAlone(t *testing.T) {
	shapes := map[string]string{}
	for _, h := range []api.Health{api.Up, api.Checking, api.Down, api.Unknown} {
		a := healthAxis(api.Node{Health: h})
		if other, used := shapes[a.Shape]; used {
			t.Errorf("%s and %s have one shape", h, other)
		}
		shapes[a.Shape] = string(h)
		if a.Word != string(h) {
			t.Errorf("%s is called %s", h, a.Word)
		}
	}
}

func TestVirtualAddressIsToldByWhoHasIt(t *testing.T) {
	g := sample().Balancer.Groups[0]
	n := &api.Network{VirtualAddresses: []api.VirtualAddress{{Group: "print", Address: g.VirtualAddress}}}
	for state, want := range map[api.HoldState]string{api.Held: "Held by this box", api.Waiting: "Not held yet", api.Conflict: "Refused", api.Disputed: "Disputed"} {
		n.VirtualAddresses[0].State = state
		if got := holdAxis(g, n); got.Word != want {
			t.Errorf("%s is told as %q", state, got.Word)
		}
	}
	g.VirtualAddress = g.VirtualAddress.Next()
	if got := holdAxis(g, n); got.Word != "Not held" {
		t.Errorf("of an address that netd does not have: %q", got.Word)
	}
}
