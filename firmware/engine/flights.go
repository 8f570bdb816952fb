package engine

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
	"spoolgate/firmware/health/flight"
)

// followAgain is the time between two tries to have the packets of probes recorded.
const followAgain = 10 * time.Second

// followProbes has the recorder given the packets of probes until ctx ends. begun is
// called once they are, or can't be: probes go on without.
func (e *Engine) followProbes(ctx context.Context, begun func()) {
	defer begun()
	failed := false
	for e.opts.FollowProbes != nil {
		err := e.opts.FollowProbes(ctx, func() {
			if failed {
				e.opts.Log.Info("the packets of probes are recorded again")
			}
			failed = false
			begun()
		}, e.flights.Take)
		if ctx.Err() != nil {
			return
		}
		if !failed {
			failed = true
			e.opts.Log.Warn("the packets of probes are not recorded; probes go on, and it is tried again", "err", err)
		}
		begun()
		select {
		case <-ctx.Done():
			return
		case <-time.After(followAgain):
		}
	}
}

// recorded makes probes whose packets are recorded. It works in the goroutine of
// each probe: the loop has no part in it.
func recorded(p health.Prober, r *flight.Recorder) func(context.Context, netip.AddrPort) api.Probe {
	p.Departs = r.Depart
	return func(ctx context.Context, target netip.AddrPort) api.Probe {
		probe := p.Probe(ctx, target)
		r.Land(target, probe)
		return probe
	}
}

// tellStubborn tells once of each node that does not take our RST for an answer.
func (e *Engine) tellStubborn() {
	for _, address := range e.flights.Stubborn() {
		m := e.at(address)
		if m == nil || e.stubborn[address] {
			continue
		}
		e.stubborn[address] = true
		e.tell(event.Event{Kind: event.NodeStubborn, Severity: event.Notice, Group: m.group.Name, Node: m.Name,
			Text: fmt.Sprintf("%s repeats its SYN-ACK after more than half of the probes: it does not take the RST that ends them, or a firewall drops it. "+
				"Its health is judged as before, but each probe stays half-open on it for a while. Let the RST from this box through; spoolctl pcap %s FILE has the packets", m.Name, m.Name)})
	}
}

// ofNode finds the node that the path names in the loop and answers outside of it:
// a thousand flights are no work for the loop.
func (e *Engine) ofNode(answer func(http.ResponseWriter, api.Flights, netip.Addr)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var of api.Flights
		var address netip.Addr
		var err error
		asked := e.ask(r.Context(), func() {
			var m *member
			if m, err = e.find(r.PathValue("group"), r.PathValue("node")); err == nil {
				of.Group, of.Node, address = m.group.Name, m.Name, m.Address
			}
		})
		if asked != nil {
			err = asked
		}
		if err != nil {
			wire.Answer(w, nil, err)
			return
		}
		answer(w, of, address)
	}
}

func (e *Engine) serveFlights(w http.ResponseWriter, of api.Flights, address netip.Addr) {
	of.Flights, of.Repeats = e.flights.Flights(address)
	wire.Answer(w, of, nil)
}

func (e *Engine) servePcap(w http.ResponseWriter, of api.Flights, address netip.Addr) {
	w.Header().Set("Content-Type", "application/vnd.tcpdump.pcap")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", of.Group+"-"+of.Node+".pcap"))
	// The reader may have gone; there is nobody left to tell.
	_ = e.flights.WriteCapture(w, address)
}
