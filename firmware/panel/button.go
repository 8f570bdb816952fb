package panel

import "time"

// How long the button is held decides what it does.
const (
	holdSetup = 3 * time.Second
	holdReset = 15 * time.Second
	// steady is how long the contact must rest before its level counts.
	steady = 30 * time.Millisecond
)

// Zone is how long the button has been held by now.
type Zone int

// The zones.
const (
	Released  Zone = iota
	Pressed        // less than 3 s
	SetupZone      // 3 s and more
	ResetZone      // 15 s and more
)

// Action is what a finished press asks for.
type Action int

// The actions.
const (
	None         Action = iota
	Test                // press: lamp test, acknowledges the alarm
	OpenSetup           // held 3 s: opens the setup window
	FactoryReset        // held 15 s, and then let go
)

// Button makes presses out of the levels of a contact that bounces. What a
// press asks for is known on release; until then the lamps show the zone.
type Button struct {
	raw      bool
	rawSince time.Time
	pressed  bool
	since    time.Time
}

// Level takes the level of the contact at now, and returns what a press that
// ended by it asks for.
func (b *Button) Level(pressed bool, now time.Time) Action {
	if pressed != b.raw {
		b.raw, b.rawSince = pressed, now
	}
	if b.raw == b.pressed || now.Sub(b.rawSince) < steady {
		return None
	}
	if b.raw {
		b.pressed, b.since = true, b.rawSince
		return None
	}
	held := b.rawSince.Sub(b.since)
	b.pressed = false
	switch {
	case held >= holdReset:
		return FactoryReset
	case held >= holdSetup:
		return OpenSetup
	}
	return Test
}

// Zone is the zone that the hold is in.
func (b *Button) Zone(now time.Time) Zone {
	held := now.Sub(b.since)
	switch {
	case !b.pressed:
		return Released
	case held >= holdReset:
		return ResetZone
	case held >= holdSetup:
		return SetupZone
	}
	return Pressed
}
