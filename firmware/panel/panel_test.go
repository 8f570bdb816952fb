package panel

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func TestLampsShowTheTableOfThePanel(t *testing.T) {
	box := func(s api.BoxState) *api.Snapshot { return &api.Snapshot{Box: api.Box{State: s}} }
	node := func(h api.Health, s api.Service) *api.Snapshot {
		return &api.Snapshot{Box: api.Box{State: api.OK}, Groups: []api.Group{{Nodes: []api.Node{{Name: "A", Health: h, Service: s}}}}}
	}
	tests := []struct {
		name   string
		state  *api.Snapshot
		booted bool
		lamp   int
		want   show
	}{
		{"OK", box(api.OK), true, 0, show{api.Steady, api.Green}},
		{"booting", nil, false, 0, show{api.Slow, api.Green}},
		{"updating", box(api.Updating), true, 0, show{api.Slow, api.Green}},
		{"standby", box(api.Standby), true, 0, show{api.DoubleFlash, api.Amber}},
		{"no spare", box(api.NoSpare), true, 0, show{api.Slow, api.Amber}},
		{"nothing serving", box(api.NothingServing), true, 0, show{api.Fast, api.Red}},
		{"firmware fault", nil, true, 0, show{api.Fast, api.Red}},
		{"Up", node(api.Up, api.InService), true, 1, show{api.Steady, api.Green}},
		{"Starting", node(api.Starting, api.InService), true, 1, show{api.Slow, api.Green}},
		{"Draining", node(api.Up, api.Draining), true, 1, show{api.DoubleFlash, api.Amber}},
		{"Out of service", node(api.Up, api.OutOfService), true, 1, show{api.DoubleFlash, api.Amber}},
		{"Checking", node(api.Checking, api.InService), true, 1, show{api.Slow, api.Amber}},
		{"Down", node(api.Down, api.InService), true, 1, show{api.Fast, api.Red}},
		{"Down and out", node(api.Down, api.OutOfService), true, 1, show{api.Fast, api.Red}},
	}
	for _, tt := range tests {
		lamp := Lamps(tt.state, tt.booted)[tt.lamp]
		if got := (show{lamp.Pattern, lamp.Colour}); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if lamp.Label == "" || lamp.Meaning == "" {
			t.Errorf("%s: says too little: %+v", tt.name, lamp)
		}
	}
}

// hold plays a press of this length, seen every 10 ms, and returns what it
// asked for.
func hold(f *Face, from time.Time, length time.Duration) (actions []Action, end time.Time) {
	for at := from; at.Before(from.Add(length + time.Second)); at = at.Add(10 * time.Millisecond) {
		if a := f.Level(at.Before(from.Add(length)), at); a != None {
			actions = append(actions, a)
		}
		end = at
	}
	return actions, end
}

func TestButtonZones(t *testing.T) {
	tests := []struct {
		length time.Duration
		want   Action
	}{
		{10 * time.Millisecond, None}, {100 * time.Millisecond, Test}, {2900 * time.Millisecond, Test},
		{3 * time.Second, OpenSetup}, {14900 * time.Millisecond, OpenSetup}, {15 * time.Second, FactoryReset}, {time.Minute, FactoryReset},
	}
	for _, tt := range tests {
		actions, _ := hold(&Face{}, start, tt.length)
		if tt.want == None && len(actions) == 0 {
			continue
		}
		if len(actions) != 1 || actions[0] != tt.want {
			t.Errorf("held %s: %v, want %v", tt.length, actions, tt.want)
		}
	}
}

func TestLampsShowTheZoneBeforeTheFingerLeaves(t *testing.T) {
	f := &Face{}
	f.Show([]api.Lamp{{Label: "box", Pattern: api.Steady, Colour: api.Green}})
	at := start
	until := func(d time.Duration) api.Panel {
		for ; at.Before(start.Add(d)); at = at.Add(10 * time.Millisecond) {
			f.Level(true, at)
		}
		return f.At(at)
	}
	if p := until(time.Second); p.Notice != "" || p.Lamps[0].Pattern != api.Steady {
		t.Errorf("after 1 s: %+v", p)
	}
	if p := until(4 * time.Second); p.Notice != "setup window opens when you let go" || p.Lamps[0].Pattern != api.Slow {
		t.Errorf("after 4 s: %+v", p)
	}
	if p := until(16 * time.Second); p.Notice != "factory reset when you let go" || p.Lamps[0] != (api.Lamp{Label: "box", Pattern: api.Fast, Colour: api.Red, Meaning: p.Notice}) {
		t.Errorf("after 16 s: %+v", p)
	}
}

func TestLampTestLightsEveryLampForTwoSeconds(t *testing.T) {
	f := &Face{}
	f.Show([]api.Lamp{{Label: "box", Pattern: api.Fast, Colour: api.Red}, {Label: "A", Pattern: api.Off}})
	for at := start; at.Before(start.Add(200 * time.Millisecond)); at = at.Add(10 * time.Millisecond) {
		f.Level(at.Before(start.Add(100*time.Millisecond)), at)
	}
	for _, l := range f.At(start.Add(2 * time.Second)).Lamps {
		if l.Pattern != api.Steady || l.Colour != api.Amber {
			t.Errorf("in the test: %+v", l)
		}
	}
	if p := f.At(start.Add(2200 * time.Millisecond)); p.Notice != "" || p.Lamps[0].Pattern != api.Fast {
		t.Errorf("after the test: %+v", p)
	}
}

func TestSetupWindowClosesAfterTenMinutes(t *testing.T) {
	f := &Face{}
	_, now := hold(f, start, 4*time.Second)
	if p := f.At(now); p.SetupUntil.IsZero() || p.Notice != "setup window is open" {
		t.Errorf("just opened: %+v", p)
	}
	if p := f.At(now.Add(setupTime)); !p.SetupUntil.IsZero() || p.Notice != "" {
		t.Errorf("after ten minutes: %+v", p)
	}
}

// A contact that bounces at both ends of a press is one press.
func TestBouncingContactIsOnePress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &Face{}
		at := start
		presses := 0
		feed := func(pressed bool, d time.Duration) {
			for end := at.Add(d); at.Before(end); at = at.Add(5 * time.Millisecond) {
				if f.Level(pressed, at) == Test {
					presses++
				}
			}
		}
		bounce := func() {
			for range rapid.IntRange(0, 5).Draw(t, "bounces") {
				feed(true, 5*time.Millisecond)
				feed(false, 10*time.Millisecond)
			}
		}
		want := rapid.IntRange(1, 4).Draw(t, "presses")
		for range want {
			bounce()
			feed(true, 100*time.Millisecond)
			bounce()
			feed(false, 100*time.Millisecond)
		}
		if presses != want {
			t.Fatalf("%d presses, want %d", presses, want)
		}
	})
}
