package health

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

// heldBackFor takes an Up node down, and returns how long it answers until it is Up.
func (w *walk) heldBackFor() (d time.Duration, reason string) {
	w.Helper()
	w.rounds(2, api.Refused, api.Refused, api.Checking).round(api.Refused, api.Refused, api.Down)
	w.round(api.Open, api.Open, api.Starting)
	d, reason = rule.Interval, w.m.Status().Reason
	for w.m.Status().Health == api.Starting {
		w.now = w.now.Add(rule.Interval)
		d += rule.Interval
		for _, port := range rule.Ports {
			w.m.Observe(w.now, port, probe(api.Open))
		}
	}
	return d, reason
}

func TestNodeThatFlapsIsHeldBackLongerEachTime(t *testing.T) {
	w := start(t).round(api.Open, api.Open, api.Up)
	for i, want := range []time.Duration{1, 2, 4, 8, 8} {
		got, reason := w.heldBackFor()
		if got < want*rule.UpDelay || got > want*rule.UpDelay+2*rule.Interval {
			t.Errorf("fall %d: held back for %v, want %d times %v", i+1, got, want, rule.UpDelay)
		}
		if told := strings.Contains(reason, fmt.Sprintf("it went Down %d times since 12:00:15, so it is held back for %v instead of %v", i+1, want*rule.UpDelay, rule.UpDelay)); told != (i > 0) {
			t.Errorf("fall %d: %s", i+1, reason)
		}
	}
	for w.now.Before(noon.Add(100 * rule.UpDelay)) {
		w.round(api.Open, api.Open, api.Up)
	}
	if got, _ := w.heldBackFor(); got > rule.UpDelay+2*rule.Interval {
		t.Errorf("after a long steady time it is held back for %v", got)
	}
}

func TestNodeThatNobodyCanReplaceIsNotHeldBack(t *testing.T) {
	w := start(t).round(api.Open, api.Open, api.Up)
	for range 3 {
		w.heldBackFor()
	}
	w.m.Need(true)
	got, reason := w.heldBackFor()
	if got > rule.UpDelay+2*rule.Interval || !strings.Contains(reason, "it went Down 4 times since 12:00:15, and is not held back for longer because no other node serves") {
		t.Errorf("held back for %v: %s", got, reason)
	}
	// The other one comes while it waits, and goes again.
	w.rounds(2, api.Refused, api.Refused, api.Checking).round(api.Refused, api.Refused, api.Down)
	w.m.Need(false)
	w.rounds(30, api.Open, api.Open, api.Starting).reason("held back for 16m0s")
	w.m.Need(true)
	w.m.Tick(w.now)
	if s := w.m.Status(); s.Health != api.Up {
		t.Errorf("it has answered for the up-delay and is needed: %s: %s", s.Health, s.Reason)
	}
}

func TestNobodyIsHeldBackForLongerThanAnHourUnlessItStartsForSoLong(t *testing.T) {
	for delay, want := range map[time.Duration]time.Duration{
		3 * time.Minute: 24 * time.Minute, 20 * time.Minute: time.Hour, 2 * time.Hour: 2 * time.Hour,
	} {
		f := flaps{serving: noon}
		for range 20 {
			f.fell(noon, delay)
		}
		if got := f.delay(delay); got != want {
			t.Errorf("up-delay %v: held back for %v, want %v", delay, got, want)
		}
	}
}
