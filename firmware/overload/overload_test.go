package overload

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/event"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// calmBox is far from all bounds.
var calmBox = Reading{Connections: 100, MostConnections: 1000, Bindings: 50, MostBindings: 1000, Newcomers: 500}

// TestBoxSaysWhatItHasNoRoomFor reads second after second; each step names what is
// told then, as kind and severity.
func TestBoxSaysWhatItHasNoRoomFor(t *testing.T) {
	with := func(do func(*Reading)) Reading {
		r := calmBox
		do(&r)
		return r
	}
	type step struct {
		after time.Duration
		Reading
		told, text string
	}
	for name, steps := range map[string][]step{
		"nothing": {{0, calmBox, "", ""}, {time.Hour, calmBox, "", ""}},
		"packets of before the program": {
			{0, with(func(r *Reading) { r.HeldBack, r.NoRoom, r.Dropped = 9, 9, 9 }), "", ""},
			{1, with(func(r *Reading) { r.HeldBack, r.NoRoom, r.Dropped = 9, 9, 9 }), "", ""},
		},
		"newcomers": {
			{0, calmBox, "", ""},
			{1, with(func(r *Reading) { r.HeldBack = 70 }), "box.newcomers warning", "the 500 a second that the box lets in: 70 first packets got no answer"},
			{20, with(func(r *Reading) { r.HeldBack = 99 }), "", ""},
			{20, with(func(r *Reading) { r.HeldBack = 99 }), "", ""},
			{10, with(func(r *Reading) { r.HeldBack = 99 }), "box.newcomers notice", "no more unknown addresses"},
			{10, with(func(r *Reading) { r.HeldBack = 100 }), "box.newcomers warning", "1 first packet got"},
		},
		"bindings": {
			{0, calmBox, "", ""},
			{1, with(func(r *Reading) { r.Bindings = 899 }), "", ""},
			{1, with(func(r *Reading) { r.Bindings = 900 }), "box.bindings warning", "900 of 1000 MFDs are bound"},
			{1, with(func(r *Reading) { r.Bindings = 1000 }), "box.bindings alert", "New ones are refused"},
			{1, with(func(r *Reading) { r.Bindings = 950 }), "", ""},
			{30, calmBox, "box.bindings notice", "there is room"},
		},
		"refused for want of room": {
			{0, calmBox, "", ""},
			{1, with(func(r *Reading) { r.NoRoom = 1 }), "box.bindings alert", "(1 first packet so far)"},
		},
		"connections": {
			{0, calmBox, "", ""},
			{1, with(func(r *Reading) { r.Connections = 950 }), "box.connections warning", "950 of 1000 connections"},
			{1, with(func(r *Reading) { r.Connections, r.Dropped = 1000, 3 }), "box.connections alert", "It dropped 3 first packets so far"},
			{30, with(func(r *Reading) { r.Dropped = 3 }), "box.connections notice", "there is room"},
		},
		"counters that begin anew": {
			{0, with(func(r *Reading) { r.HeldBack = 1000 }), "", ""},
			{1, with(func(r *Reading) { r.HeldBack = 2 }), "box.newcomers warning", "2 first packets"},
		},
		"bounds that are not known": {{0, Reading{}, "", ""}, {1, Reading{}, "", ""}},
	} {
		b, now := NewBook(), start
		for i, s := range steps {
			if s.after < time.Second {
				s.after *= time.Duration(time.Second)
			}
			now = now.Add(s.after)
			told, text := "", ""
			for _, f := range b.Read(now, s.Reading) {
				told, text = strings.TrimPrefix(told+", "+f.Kind+" "+f.Severity, ", "), f.Text
			}
			if told != s.told || !strings.Contains(text, s.text) {
				t.Errorf("%s, step %d: told %q: %s", name, i, told, text)
			}
		}
	}
}

func TestClientIsLimitedAsLongAsItHasTooManyConnections(t *testing.T) {
	b, now := NewBook(), start
	greedy, other := Caller{"print", netip.MustParseAddr("198.18.1.7")}, Caller{"print", netip.MustParseAddr("198.18.1.8")}
	open := map[Caller]int{greedy: 99, other: 12}
	limit := 100
	tick := func(want ...string) {
		t.Helper()
		now = now.Add(time.Second)
		changes, _ := b.Recount(now, func(c Caller) (int, int) { return open[c], limit })
		var told []string
		for _, f := range changes {
			told = append(told, f.Severity+": "+f.Text)
		}
		if !slices.EqualFunc(told, want, strings.Contains) {
			t.Errorf("told %q, want %q", told, want)
		}
	}
	limited := func(want ...Caller) {
		t.Helper()
		if got := b.Limited(); !slices.Equal(got, want) {
			t.Errorf("limited are %v, want %v", got, want)
		}
	}
	says := func(want string) {
		t.Helper()
		if f := b.Open(); len(f) != 1 || !strings.HasPrefix(f[0].Text, want) {
			t.Errorf("open are %v, want %q", f, want)
		}
	}
	if b.Count(now, greedy, 99, limit) {
		t.Error("99 of 100 are too many")
	}
	tick()
	open[greedy] = 100
	if !b.Count(now, greedy, 100, limit) || b.Count(now, greedy, 100, limit) {
		t.Error("the change is told not once")
	}
	limited(greedy)
	tick("warning: 198.18.1.7 (100): that many connections are open, and group print lets one MFD have 100")
	open[greedy] = 99
	tick()
	limited()
	says("198.18.1.7 (99 now): within the last half minute as many connections were open as group print lets one MFD have, 100. New ones are let in again. ")
	open[greedy] = 100 // comes and goes around the limit: no news
	tick()
	limited(greedy)
	says("198.18.1.7 (100): that many connections are open, and group print lets one MFD have 100. New ones are refused")
	open[greedy] = 3
	for range 29 {
		tick()
		says("198.18.1.7 (3 now): within")
	}
	limited()
	if f := b.Open(); len(f) != 1 || f[0].Kind != event.ClientLimit || f[0].Group != "print" {
		t.Errorf("open are %v", f)
	}
	tick("notice: no MFD of group print")
	if len(b.Open()) > 0 || len(b.greedy) > 0 {
		t.Errorf("left are %v and %v", b.open, b.greedy)
	}
}

func TestOverloadOfBeforeARestartEndsOrIsToldAgain(t *testing.T) {
	b, now := NewBook(), start
	caller := Caller{"scan", netip.MustParseAddr("198.18.1.7")}
	b.Recall(now, event.ClientLimit, "print")
	b.Recall(now, event.ClientLimit, "scan")
	b.Recall(now, event.BoxNewcomers, "")
	b.Recall(now, event.BoxConnections, "")
	b.Recall(now, event.NodeDown, "print")
	b.Count(now, caller, 100, 100)
	told := map[string]string{}
	for range 31 {
		now = now.Add(time.Second)
		changes, _ := b.Recount(now, func(Caller) (int, int) { return 100, 100 })
		r := calmBox
		r.HeldBack = uint64(now.Sub(start) / time.Second)
		for _, f := range append(changes, b.Read(now, r)...) {
			told[f.Kind+" "+f.Group] += f.Severity + now.Sub(start).String()
		}
	}
	want := map[string]string{"client.limit print": "notice15s", "client.limit scan": "warning1s", "box.newcomers ": "warning2s", "box.connections ": "notice15s"}
	if !maps.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if len(b.Open()) != 2 || len(b.recalled) > 0 {
		t.Errorf("open are %v, not settled %v", b.Open(), b.recalled)
	}
}

func TestClientOfARemovedGroupIsNotLimited(t *testing.T) {
	b := NewBook()
	b.Count(start, Caller{"gone", netip.MustParseAddr("198.18.1.7")}, 100, 100)
	b.Recount(start, func(Caller) (int, int) { return 100, 100 })
	changes, changed := b.Recount(start, func(Caller) (int, int) { return 0, 0 })
	if !changed || len(b.Limited()) > 0 || len(changes) != 1 || changes[0].Severity != event.Notice {
		t.Errorf("changed %v: %v", changed, changes)
	}
}

// Addresses may be made up: what is kept of them is bounded.
func TestBookDoesNotGrowWithoutBound(t *testing.T) {
	b := NewBook()
	for i := range 3 * callers {
		b.Count(start, Caller{"print", netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}, 100, 100)
	}
	changes, _ := b.Recount(start, func(Caller) (int, int) { return 100, 100 })
	if len(b.greedy) > callers || len(b.open) > 1 || len(changes[0].Text) > 1000 {
		t.Errorf("%d clients, %d findings, a text of %d", len(b.greedy), len(b.open), len(changes[0].Text))
	}
}
