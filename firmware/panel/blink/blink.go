// Package blink says when a lamp of a pattern is lit, and in which of its two
// colours: for paneld, and for init, which speaks for it while it is not there.
package blink

import (
	"slices"
	"time"

	"spoolgate/firmware/api"
)

// phases are the lengths of light and dark, beginning with light, that a
// pattern repeats. Light never begins more than three times in a second
// (WCAG 2.2, 2.3.1).
var phases = map[api.Pattern][]time.Duration{
	api.Slow:        {500 * time.Millisecond, 500 * time.Millisecond},
	api.Fast:        {200 * time.Millisecond, 200 * time.Millisecond},
	api.DoubleFlash: {200 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond, 1400 * time.Millisecond},
}

// LitAt reports whether a lamp of the pattern is lit, at a time since any
// moment that all lamps share, so that they blink together.
func LitAt(p api.Pattern, t time.Duration) bool {
	switch p {
	case api.Off:
		return false
	case api.Steady:
		return true
	}
	var period time.Duration
	for _, d := range phases[p] {
		period += d
	}
	if period == 0 {
		return false
	}
	t %= period
	for i, d := range phases[p] {
		if t < d {
			return i%2 == 0
		}
		t -= d
	}
	return false
}

// Lines are the levels of a lamp's two lines; red and green together are amber.
func Lines(p api.Pattern, c api.Colour, t time.Duration) (red, green bool) {
	if !LitAt(p, t) {
		return false, false
	}
	return slices.Contains([]api.Colour{api.Red, api.Amber}, c), slices.Contains([]api.Colour{api.Green, api.Amber}, c)
}
