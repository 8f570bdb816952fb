package engine

import (
	"encoding/json"
	"net/http"
	"net/netip"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
)

// maxBody bounds the body of a request, in bytes; the largest is a node's name.
const maxBody = 4096

// Handler answers the requests of package api's Client.
func (e *Engine) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/snapshot", e.snapshots.ServeLatest)
	mux.HandleFunc("GET /v1/snapshots", e.snapshots.ServeStream)
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		serveLog(e, w, r, func(kept api.Report) api.Event { return kept.Event })
	})
	mux.HandleFunc("GET /v1/reports", func(w http.ResponseWriter, r *http.Request) {
		serveLog(e, w, r, func(kept api.Report) api.Report { return kept })
	})
	mux.HandleFunc("GET /v1/incidents", func(w http.ResponseWriter, r *http.Request) {
		reply(e, w, r, func() ([]api.Incident, error) { return e.incidents(), nil })
	})
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, r *http.Request) {
		reply(e, w, r, func() (api.Done, error) {
			d, err := e.reload()
			if err != nil {
				return d, &api.Error{Status: http.StatusUnprocessableEntity, What: err.Error()}
			}
			return d, nil
		})
	})
	mux.HandleFunc("POST /v1/acknowledge", func(w http.ResponseWriter, r *http.Request) {
		reply(e, w, r, func() (api.Done, error) { return e.acknowledge(), nil })
	})
	mux.HandleFunc("GET /v1/clients", func(w http.ResponseWriter, r *http.Request) {
		reply(e, w, r, func() ([]api.BoundClient, error) { return e.clients(r.FormValue("query")) })
	})
	mux.HandleFunc("GET /v1/mfds/{address}", e.serveMFD)
	mux.HandleFunc("GET /v1/proof", e.serveProof)
	mux.HandleFunc("GET /v1/names", func(w http.ResponseWriter, r *http.Request) {
		reply(e, w, r, func() (api.Names, error) { return e.names.found, nil })
	})
	mux.HandleFunc("GET /v1/names/{address}", func(w http.ResponseWriter, r *http.Request) {
		a, err := mfdAddress(r)
		if err != nil {
			wire.Answer(w, nil, err)
			return
		}
		wire.Answer(w, e.names.looker.Look(r.Context(), []api.NameCheck{{Address: a}}).Checks[0], nil)
	})
	mux.HandleFunc("GET /v1/groups/{group}/nodes/{node}/rehearsal", e.onNode(func(m *member, _ *http.Request) (any, error) {
		return e.rehearse(m)
	}))
	mux.HandleFunc("GET /v1/groups/{group}/nodes/{node}/probes", e.onNode(func(m *member, _ *http.Request) (any, error) {
		return m.probes(), nil
	}))
	mux.HandleFunc("GET /v1/groups/{group}/nodes/{node}/flights", e.ofNode(e.serveFlights))
	mux.HandleFunc("GET /v1/groups/{group}/nodes/{node}/pcap", e.ofNode(e.servePcap))
	mux.HandleFunc("GET /v1/groups/{group}/nodes/{node}/services", e.serveServices)
	mux.HandleFunc("POST /v1/groups/{group}/nodes/{node}/probe", e.onNode(func(m *member, _ *http.Request) (any, error) {
		e.probeNow(m)
		e.windows.Again(m.Address)
		return api.Done{Text: m.Name + " is probed now"}, nil
	}))
	mux.HandleFunc("POST /v1/groups/{group}/nodes/{node}/return", e.onNode(func(m *member, _ *http.Request) (any, error) {
		return e.giveBack(m)
	}))
	mux.HandleFunc("POST /v1/groups/{group}/nodes/{node}/drain", func(w http.ResponseWriter, r *http.Request) {
		var ask api.DrainRequest
		if err := read(w, r, &ask); err != nil {
			wire.Answer(w, nil, err)
			return
		}
		e.onNode(func(m *member, _ *http.Request) (any, error) { return e.drain(m, ask) })(w, r)
	})
	mux.HandleFunc("POST /v1/groups/{group}/clients/{address}/move", func(w http.ResponseWriter, r *http.Request) {
		var ask api.MoveRequest
		if err := read(w, r, &ask); err != nil {
			wire.Answer(w, nil, err)
			return
		}
		e.onClient(func(g *group, mfd netip.Addr) (api.Done, error) {
			to, err := e.find(g.Name, ask.Node)
			if err != nil {
				return api.Done{}, err
			}
			return e.move(g, mfd, to)
		})(w, r)
	})
	mux.HandleFunc("DELETE /v1/groups/{group}/clients/{address}", e.onClient(e.forget))
	return mux
}

// onNode runs do in the loop with the node that the path names.
func (e *Engine) onNode(do func(*member, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		reply(e, w, r, func() (any, error) {
			m, err := e.find(r.PathValue("group"), r.PathValue("node"))
			if err != nil {
				return nil, err
			}
			return do(m, r)
		})
	}
}

// onClient runs do in the loop with the group and the MFD that the path names.
func (e *Engine) onClient(do func(*group, netip.Addr) (api.Done, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		mfd, err := mfdAddress(r)
		if err != nil {
			wire.Answer(w, nil, err)
			return
		}
		reply(e, w, r, func() (api.Done, error) {
			g, err := e.findGroup(r.PathValue("group"))
			if err != nil {
				return api.Done{}, err
			}
			return do(g, mfd)
		})
	}
}

// reply runs do in the loop and answers with what it returns. An order is answered when
// what it made happen is on the medium.
func reply[T any](e *Engine, w http.ResponseWriter, r *http.Request, do func() (T, error)) {
	var v T
	var err error
	if asked := e.ask(r.Context(), func() { v, err = do() }); asked != nil {
		err = asked
	}
	if r.Method != http.MethodGet {
		e.log.Settle(r.Context())
	}
	wire.Answer(w, v, err)
}

func read(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &api.Error{Status: http.StatusBadRequest, What: "the request can't be read: " + err.Error()}
	}
	return nil
}

func (m *member) probes() []api.PortProbes {
	out := []api.PortProbes{}
	for _, p := range m.group.Checks.Ports {
		out = append(out, api.PortProbes{Group: m.group.Name, Node: m.Name, Port: p, Probes: m.machine.Probes(p)})
	}
	return out
}
