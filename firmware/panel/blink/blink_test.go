package blink

import (
	"testing"
	"time"

	"spoolgate/firmware/api"
)

func TestPatternsBlinkAsNamedAndNeverAbove3Hz(t *testing.T) {
	rises := map[api.Pattern]int{api.Off: 0, api.Steady: 0, api.Slow: 10, api.DoubleFlash: 10, api.Fast: 25}
	const window, step = 10 * time.Second, time.Millisecond
	for p, want := range rises {
		got, was := 0, LitAt(p, window-step)
		var lastSecond []time.Duration
		for at := time.Duration(0); at < window; at += step {
			is := LitAt(p, at)
			if is && !was {
				got++
				lastSecond = append(lastSecond, at)
				if n := len(lastSecond); n > 3 && lastSecond[n-1]-lastSecond[n-4] < time.Second {
					t.Errorf("%s flashes more than three times in a second", p)
				}
			}
			was = is
		}
		if got != want {
			t.Errorf("%s lights up %d times in 10 s, want %d", p, got, want)
		}
	}
}
