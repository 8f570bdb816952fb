package vm

import (
	"context"
	"fmt"
	"time"

	"spoolgate/board"
	"spoolgate/firmware/api"
)

// Lamps are read from the outside: levels of the GPIO lines, often enough and
// for long enough to tell a pattern.
const (
	lookEvery = 40 * time.Millisecond
	lookFor   = 2200 * time.Millisecond // the longest pattern takes 2 s
)

// Shown is what a lamp shows.
type Shown struct {
	Pattern api.Pattern
	Colour  api.Colour
}

func (s Shown) String() string {
	if s.Pattern == api.Off {
		return string(s.Pattern)
	}
	return fmt.Sprintf("%s %s", s.Pattern, s.Colour)
}

// WatchLamps looks at lamps for 2.2 s. Where a lamp changes meanwhile, what it
// is said to show may be neither the one nor the other.
func (v *VM) WatchLamps(ctx context.Context, lamps []board.Lamp) ([]Shown, error) {
	var seen []byte
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for end := time.Now().Add(lookFor); time.Now().Before(end); {
		levels, err := v.Lines()
		if err != nil {
			return nil, err
		}
		seen = append(seen, levels)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	shown := make([]Shown, 0, len(lamps))
	for _, l := range lamps {
		shown = append(shown, recognise(seen, l))
	}
	return shown, nil
}

// recognise names what a lamp did over some looks at the lines.
func recognise(seen []byte, l board.Lamp) Shown {
	red, green, lit, rises := 0, 0, 0, 0
	was := true
	for _, levels := range seen {
		r, g := levels>>l.Red.Offset&1 == 1, levels>>l.Green.Offset&1 == 1
		if r {
			red++
		}
		if g {
			green++
		}
		if r || g {
			lit++
		}
		if (r || g) && !was {
			rises++
		}
		was = r || g
	}
	s := Shown{Pattern: api.Slow, Colour: api.Amber}
	switch {
	case lit == 0:
		return Shown{Pattern: api.Off}
	case green == 0:
		s.Colour = api.Red
	case red == 0:
		s.Colour = api.Green
	}
	switch {
	case lit == len(seen):
		s.Pattern = api.Steady
	case rises >= 4:
		s.Pattern = api.Fast
	case lit < len(seen)*3/10:
		s.Pattern = api.DoubleFlash
	}
	return s
}
