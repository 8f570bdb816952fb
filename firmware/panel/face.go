package panel

import (
	"time"

	"spoolgate/firmware/api"
)

const (
	testTime  = 2 * time.Second
	setupTime = 10 * time.Minute
)

// Face is the panel as a whole: what the balancer says, overlaid by what the
// button is doing.
type Face struct {
	state  []api.Lamp
	button Button
	testTo time.Time
	// SetupUntil is when the setup window closes; zero while it is closed.
	SetupUntil time.Time
}

// Show sets what the lamps show of the state.
func (f *Face) Show(lamps []api.Lamp) { f.state = lamps }

// Level takes the button's level and returns what it asks for.
func (f *Face) Level(pressed bool, now time.Time) Action {
	action := f.button.Level(pressed, now)
	switch action {
	case Test:
		f.testTo = now.Add(testTime)
	case OpenSetup:
		f.SetupUntil = now.Add(setupTime)
	}
	return action
}

// At is what the panel shows at now.
func (f *Face) At(now time.Time) api.Panel {
	if !f.SetupUntil.IsZero() && !now.Before(f.SetupUntil) {
		f.SetupUntil = time.Time{}
	}
	p := api.Panel{Lamps: append([]api.Lamp{}, f.state...), SetupUntil: f.SetupUntil}
	all := func(s show, meaning string) {
		for i := range p.Lamps {
			p.Lamps[i] = lit(p.Lamps[i].Label, s, meaning)
		}
		p.Notice = meaning
	}
	switch zone := f.button.Zone(now); {
	case zone == ResetZone:
		all(show{api.Fast, api.Red}, "factory reset when you let go")
	case zone == SetupZone:
		all(show{api.Slow, api.Green}, "setup window opens when you let go")
	case now.Before(f.testTo):
		// Both colours at once light every lamp there is.
		all(show{api.Steady, api.Amber}, "lamp test")
	case !f.SetupUntil.IsZero():
		p.Notice = "setup window is open"
	}
	return p
}
