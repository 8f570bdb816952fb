package web

import (
	"context"
	"encoding/json"
	"os"
	"reflect"
	"sync"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
)

// view is what the daemons said last.
type view struct {
	// Balancer is nil while it does not answer; Lost is since when.
	Balancer *api.Snapshot
	Lost     time.Time
	Panel    *api.Panel
	Services *api.Services
	Network  *api.Network
	Events   []api.Event // the last ones, oldest first
	serial   uint64      // grows with each change
}

// watch follows the daemons and keeps what they said last.
type watch struct {
	balancer     *wire.Client
	panel        *wire.Client
	network      *wire.Client
	servicesFile string
	now          func() time.Time

	mu    sync.Mutex // of update
	views *wire.Feed[view]
}

// shownEvents is how many events the status page has.
const shownEvents = 12

// retry is the time between two tries to reach a daemon that does not answer.
const retry = time.Second

func newWatch(balancer, panel, network *wire.Client, servicesFile string, now func() time.Time) *watch {
	return &watch{balancer: balancer, panel: panel, network: network, servicesFile: servicesFile, now: now, views: wire.NewFeed(view{})}
}

// read returns the last view and a channel that is closed at the next change.
func (w *watch) read() (view, <-chan struct{}) { return w.views.Latest() }

// hostname is the box's name as the balancer has it.
func (w *watch) hostname() string {
	v, _ := w.read()
	if v.Balancer == nil {
		return ""
	}
	return v.Balancer.Box.Hostname
}

func (w *watch) update(change func(*view)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, _ := w.read()
	serial := v.serial + 1
	change(&v)
	v.serial = serial
	w.views.Publish(v)
}

// run follows all daemons until ctx ends.
func (w *watch) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, follow := range []func(context.Context){w.followBalancer, w.followEvents, w.followPanel, w.followNetwork, w.followServices} {
		all.Go(func() {
			for ctx.Err() == nil {
				follow(ctx)
				select {
				case <-ctx.Done():
				case <-time.After(retry):
				}
			}
		})
	}
	all.Wait()
}

func (w *watch) followBalancer(ctx context.Context) {
	for s, err := range w.balancer.Snapshots(ctx) {
		if err != nil {
			break
		}
		w.update(func(v *view) { v.Balancer, v.Lost = &s, time.Time{} })
	}
	if v, _ := w.read(); v.Balancer != nil || v.Lost.IsZero() {
		w.update(func(v *view) { v.Balancer, v.Lost = nil, w.now() })
	}
}

func (w *watch) followEvents(ctx context.Context) {
	fresh := true // numbers begin anew with each run of the balancer
	for e, err := range w.balancer.FollowEvents(ctx, 0) {
		if err != nil {
			return
		}
		w.update(func(v *view) {
			if fresh {
				v.Events, fresh = nil, false
			}
			kept := v.Events[max(0, len(v.Events)-shownEvents+1):]
			v.Events = append(append([]api.Event{}, kept...), e)
		})
	}
}

func (w *watch) followPanel(ctx context.Context) {
	for p, err := range w.panel.Panels(ctx) {
		if err != nil {
			break
		}
		w.update(func(v *view) { v.Panel = &p })
	}
	if v, _ := w.read(); v.Panel != nil {
		w.update(func(v *view) { v.Panel = nil })
	}
}

// followNetwork asks netd once; run calls it every second.
func (w *watch) followNetwork(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var now *api.Network
	if n, err := w.network.Network(ctx); err == nil {
		n.Time = time.Time{} // of the answer, not of a change
		now = &n
	}
	if v, _ := w.read(); !reflect.DeepEqual(v.Network, now) {
		w.update(func(v *view) { v.Network = now })
	}
}

// followServices looks at the file once; run calls it every second.
func (w *watch) followServices(context.Context) {
	data, err := os.ReadFile(w.servicesFile)
	if err != nil {
		return
	}
	var s api.Services
	if json.Unmarshal(data, &s) != nil {
		return
	}
	v, _ := w.read()
	if v.Services == nil || !v.Services.Time.Equal(s.Time) {
		w.update(func(v *view) { v.Services = &s })
	}
}
