package api

import "time"

// Panel is what the front panel shows now.
type Panel struct {
	Lamps []Lamp `json:"lamps"`
	// Notice is what the panel is busy with instead of the state: a lamp test,
	// the zone of a button that is held. Empty otherwise.
	Notice string `json:"notice,omitempty"`
	// SetupUntil is when the setup window closes that the button opened; zero
	// while it is closed.
	SetupUntil time.Time `json:"setup_until,omitzero"`
}

// Lamp is one lamp of the front panel.
type Lamp struct {
	Label   string  `json:"label"`   // "box", or the name of a node
	Pattern Pattern `json:"pattern"` // alone tells the state, for people who don't see the colours
	Colour  Colour  `json:"colour"`
	Meaning string  `json:"meaning"` // such as "Up, in service"
}

// Pattern is how a lamp blinks. None flashes faster than 3 Hz.
type Pattern string

// The patterns of lamps.
const (
	Off         Pattern = "off"
	Steady      Pattern = "steady"
	Slow        Pattern = "slow"         // 1 Hz
	DoubleFlash Pattern = "double flash" // two flashes every 2 s
	Fast        Pattern = "fast"         // 2.5 Hz
)

// Colour is the colour of a lamp that is lit.
type Colour string

// The colours of lamps. Amber is red and green together.
const (
	Dark  Colour = ""
	Green Colour = "green"
	Amber Colour = "amber"
	Red   Colour = "red"
)
