package metrics

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func state() api.Snapshot {
	node := func(name string, h api.Health) api.Node {
		return api.Node{Name: name, Address: netip.MustParseAddr("192.0.2.11"), Weight: 2, Health: h, Service: api.InService, Serving: h == api.Up, Clients: 61, Connections: 12, Dealt: 900,
			Ports: []api.Port{{Port: 5555, Outcome: api.Open, RTT: api.Duration(312 * time.Microsecond)}, {Port: 5022, Outcome: api.Refused, Misses: 3}}}
	}
	return api.Snapshot{Box: api.Box{State: api.NoSpare, Since: at}, Room: api.Room{Connections: 300, MostConnections: 131072, Bindings: 122, MostBindings: 262144}, Groups: []api.Group{{Name: "print", VirtualAddress: netip.MustParseAddr("192.0.2.10"), Mode: "masked",
		Affinity: api.Duration(30 * time.Minute), State: api.NoSpare, Clients: 122, Connections: 24, Nodes: []api.Node{node("A", api.Up), node("B", api.Down)}}}}
}

func scrapeOf(t *testing.T, s api.Snapshot, err error, token, bearer string) (int, string) {
	t.Helper()
	h := Handler(Source{
		Snapshot: func(context.Context) (api.Snapshot, error) { return s, err },
		Reporters: func() []api.Reporter {
			return []api.Reporter{{Name: "mail", Waiting: 4, Missed: 2, Trouble: &api.Failure{}}, {Name: "syslog"}}
		},
	}, token)
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestPromtoolFindsNothingToImprove(t *testing.T) {
	code, text := scrapeOf(t, state(), nil, "", "")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v\n%s\nof\n%s", err, out, text)
	}
}

func TestScrapeIsTheStateOfTheBox(t *testing.T) {
	_, text := scrapeOf(t, state(), nil, "", "")
	for _, want := range []string{
		`spoolgate_balancer_up 1`,
		`spoolgate_box_state{state="No spare"} 1`,
		`spoolgate_box_state{state="OK"} 0`,
		`spoolgate_box_tracked_connections_limit 131072`,
		`spoolgate_box_clients 122`,
		`spoolgate_group_affinity_seconds{group="print"} 1800`,
		`spoolgate_node_health{group="print",health="Down",node="B"} 1`,
		`spoolgate_node_serving{group="print",node="B"} 0`,
		`spoolgate_node_first_contacts_total{group="print",node="A"} 900`,
		`spoolgate_probe_round_trip_seconds{group="print",node="A",port="5555"} 0.000312`,
		`spoolgate_probe_consecutive_misses{group="print",node="B",port="5022"} 3`,
		`spoolgate_reporter_waiting_reports{reporter="mail"} 4`,
		`spoolgate_reporter_missed_reports_total{reporter="mail"} 2`,
		`spoolgate_reporter_up{reporter="syslog"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, `spoolgate_probe_round_trip_seconds{group="print",node="B",port="5022"}`) {
		t.Error("a probe that was refused has a round trip")
	}
}

func TestScrapeSaysThatTheBalancerIsSilentAndHowReportersFare(t *testing.T) {
	code, text := scrapeOf(t, api.Snapshot{}, errors.New("silent"), "", "")
	if code != http.StatusOK || !strings.Contains(text, "spoolgate_balancer_up 0\n") || !strings.Contains(text, `reporter="mail"`) || strings.Contains(text, "spoolgate_box_state") {
		t.Errorf("%d\n%s", code, text)
	}
}

func TestMetricsWithATokenAreForWhoKnowsIt(t *testing.T) {
	for bearer, want := range map[string]int{"": 401, "other": 401, "token": 200} {
		if code, text := scrapeOf(t, state(), nil, "token", bearer); code != want || want == 401 && strings.Contains(text, "spoolgate_") {
			t.Errorf("%q: %d", bearer, code)
		}
	}
}
