package engine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/dataplane"
	"spoolgate/firmware/event"
	"spoolgate/firmware/health"
)

// fakeTracker tells what the test puts in.
type fakeTracker chan dataplane.Batch

func (f fakeTracker) Run(ctx context.Context, handle func(dataplane.Batch)) error {
	handle(dataplane.Batch{Resync: true})
	for {
		select {
		case b := <-f:
			handle(b)
		case <-ctx.Done():
			return nil
		}
	}
}

// All that comes in at once meets in the loop; run with -race.
func TestPeopleProbesAndConnectionsMeetInOneLoop(t *testing.T) {
	b := newBox(t, twoNodes)
	b.opts.EachConnection = func(func(dataplane.Connection)) error { return nil }
	now := time.Now
	b.opts.Now = now
	b.schedule = health.NewSchedule(func(context.Context, netip.AddrPort) api.Probe {
		return api.Probe{Time: now(), Outcome: api.Open}
	}, 10)
	b.schedule.Set(b.targets())
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	notify, err := daemon.NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Stop()
	tracker := make(fakeTracker)
	ctx, cancel := context.WithCancel(t.Context())
	reload := make(chan struct{})
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := b.Engine.Run(ctx, tracker, reload, notify); err != nil {
			t.Error(err)
		}
	})
	parts.Go(func() {
		if err := daemon.Serve(ctx, l, b.Handler()); err != nil {
			t.Error(err)
		}
	})
	client := wire.NewClient(path)
	for s, err := range client.Snapshots(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Box.State == api.OK {
			break
		}
	}
	var crowd sync.WaitGroup
	for i := range 4 {
		crowd.Go(func() {
			mfd := netip.AddrFrom4([4]byte{198, 18, 3, byte(i)})
			for n := range 25 {
				tracker <- dataplane.Batch{Events: []dataplane.Event{{Kind: dataplane.Opened, ID: uint64(i*100 + n), VirtualAddress: vip, Client: mfd, Mark: 1}}}
				if _, err := client.Clients(ctx, mfd.String()); err != nil {
					t.Error(err)
				}
				if _, err := client.Probes(ctx, "print", "A"); err != nil {
					t.Error(err)
				}
				if _, err := client.Events(ctx, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		reload <- struct{}{}
	}
	crowd.Wait()
	found, err := client.Clients(ctx, "A")
	if err != nil || len(found) != 4 || found[0].Connections != 25 {
		t.Errorf("%+v %v", found, err)
	}
	if _, err := client.Drain(ctx, "print", "Z", api.DrainRequest{Verb: api.StopNow}); err == nil || err.(*api.Error).Status != 404 {
		t.Errorf("a node that is not there: %v", err)
	}
	if _, err := client.Drain(ctx, "print", "B", api.DrainRequest{Verb: api.StopNow}); err != nil {
		t.Error(err)
	}
	// The power may fail with the answer.
	if _, h, err := event.OpenJournal(filepath.Join(b.dir, "events"), keptEvents); err != nil || !slices.ContainsFunc(h.Reports, func(r api.Report) bool {
		return r.Event.Kind == event.NodeService && r.Event.Node == "B"
	}) {
		t.Errorf("the order was answered before its event was kept (%v)", err)
	}
	for address, what := range map[string]string{"198.18.0.10": "is the virtual address of group print", "198.18.0.12": "is node B of group print"} {
		var refused *api.Error
		if _, err := client.MFD(ctx, netip.MustParseAddr(address)); !errors.As(err, &refused) || refused.Status != 404 || !strings.Contains(refused.What, what) {
			t.Errorf("asked for as an MFD, %s: %v", address, err)
		}
	}
	cancel()
	parts.Wait()
	if record, err := b.journal.Load(); err != nil || len(record.Entries) != 4 {
		t.Errorf("the journal at the end has %d bindings (%v)", len(record.Entries), err)
	}
}

func TestLostEventSourceEndsTheDaemon(t *testing.T) {
	b := newBox(t, twoNodes)
	b.schedule = health.NewSchedule(nil, 1)
	notify, err := daemon.NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Engine.Run(t.Context(), brokenTracker{}, nil, notify); err == nil || err.Error() != "connection events: device or resource busy" {
		t.Errorf("ended with %v", err)
	}
}

type brokenTracker struct{}

func (brokenTracker) Run(context.Context, func(dataplane.Batch)) error { return errRefused }
