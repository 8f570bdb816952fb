package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoolgate/firmware/api"
)

// output takes the series of one scrape.
type output chan<- prometheus.Metric

// labels are names and values in turn.
type labels []string

func (l labels) with(more ...string) labels { return append(l[:len(l):len(l)], more...) }

func (o output) send(kind prometheus.ValueType, name, help string, l labels, v float64) {
	var names, values []string
	for i := 0; i < len(l); i += 2 {
		names, values = append(names, l[i]), append(values, l[i+1])
	}
	o <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, v, values...)
}

func (o output) gauge(name, help string, l labels, v float64) {
	o.send(prometheus.GaugeValue, name, help, l, v)
}

func (o output) counter(name, help string, l labels, v float64) {
	o.send(prometheus.CounterValue, name, help, l, v)
}

// states sends one series a state, of which the one that holds is 1.
func states[T ~string](o output, name, help, label string, l labels, is T, all ...T) {
	for _, s := range all {
		v := 0.0
		if s == is {
			v = 1
		}
		o.gauge(name, help, l.with(label, string(s)), v)
	}
}

func (o output) box(s api.Snapshot) {
	states(o, "spoolgate_box_state", "The verdict on the whole box: 1 for the one that holds.", "state", nil, s.Box.State,
		api.OK, api.NoSpare, api.NothingServing, api.Standby, api.Updating)
	o.gauge("spoolgate_box_state_since_timestamp_seconds", "When the verdict on the box was reached.", nil, seconds(s.Box.Since))
	o.gauge("spoolgate_box_suspected", "Whether the box thinks that it is the one in trouble, as every probe fails at once.", nil, truth(s.Box.Suspicion != ""))
	if r := s.Room; r.MostConnections > 0 {
		o.gauge("spoolgate_box_tracked_connections", "Connections that the kernel tracks, closed ones of the last seconds included.", nil, float64(r.Connections))
		o.gauge("spoolgate_box_tracked_connections_limit", "The most connections that the kernel can track.", nil, float64(r.MostConnections))
		o.gauge("spoolgate_box_clients", "MFDs that are bound, of all groups.", nil, float64(r.Bindings))
		o.gauge("spoolgate_box_clients_limit", "The most MFDs that can be bound.", nil, float64(r.MostBindings))
	}
}

func (o output) group(g api.Group) {
	l := labels{"group", g.Name}
	o.gauge("spoolgate_group_info", "What a group is.", l.with("virtual_address", g.VirtualAddress.String(), "mode", g.Mode), 1)
	states(o, "spoolgate_group_state", "The verdict on a group: 1 for the one that holds.", "state", l, g.State, api.OK, api.NoSpare, api.NothingServing)
	o.gauge("spoolgate_group_affinity_seconds", "How long an MFD stays bound after its last connection.", l, time.Duration(g.Affinity).Seconds())
	o.gauge("spoolgate_group_clients", "MFDs that are bound.", l, float64(g.Clients))
	o.gauge("spoolgate_group_connections", "Connections that are open.", l, float64(g.Connections))
	for _, n := range g.Nodes {
		o.node(n, l.with("node", n.Name))
	}
}

func (o output) node(n api.Node, l labels) {
	o.gauge("spoolgate_node_info", "What a node is.", l.with("address", n.Address.String()), 1)
	states(o, "spoolgate_node_health", "What probes say of a node: 1 for the one that holds.", "health", l, n.Health, api.Up, api.Checking, api.Starting, api.Down, api.Unknown)
	states(o, "spoolgate_node_service", "What the operator wants of a node: 1 for the one that holds.", "service", l, n.Service, api.InService, api.Draining, api.OutOfService)
	o.gauge("spoolgate_node_serving", "Whether new MFDs may be dealt to a node.", l, truth(n.Serving))
	o.gauge("spoolgate_node_weight", "The share of a node.", l, float64(n.Weight))
	o.gauge("spoolgate_node_clients", "MFDs that are bound to a node.", l, float64(n.Clients))
	o.gauge("spoolgate_node_connections", "Connections that are open to a node.", l, float64(n.Connections))
	o.counter("spoolgate_node_first_contacts_total", "First contacts that were dealt to a node since the balancer started.", l, float64(n.Dealt))
	for _, p := range n.Ports {
		at := l.with("port", strconv.Itoa(int(p.Port)))
		o.gauge("spoolgate_probe_success", "Whether the last probe of a port was answered.", at, truth(p.Outcome == api.Open))
		o.gauge("spoolgate_probe_consecutive_misses", "Probes of a port in a row that failed.", at, float64(p.Misses))
		if p.Outcome == api.Open {
			o.gauge("spoolgate_probe_round_trip_seconds", "SYN to SYN-ACK of the last probe of a port, if it was answered.", at, time.Duration(p.RTT).Seconds())
		}
	}
}

func (o output) reporter(r api.Reporter) {
	l := labels{"reporter", r.Name}
	o.gauge("spoolgate_reporter_up", "Whether the last try of a reporter went well.", l, truth(r.Trouble == nil))
	o.gauge("spoolgate_reporter_waiting_reports", "Reports that wait to be sent.", l, float64(r.Waiting))
	o.counter("spoolgate_reporter_missed_reports_total", "Reports that were no longer kept when their turn came.", l, float64(r.Missed))
	o.counter("spoolgate_reporter_refused_reports_total", "Reports that the other side would not have.", l, float64(r.Refused))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
