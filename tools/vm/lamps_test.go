package vm

import (
	"testing"
	"time"

	"spoolgate/board"
	"spoolgate/firmware/api"
	"spoolgate/firmware/panel/blink"
)

// Each pattern is told from the others whenever one begins to look.
func TestPatternsAreToldApartFromOutside(t *testing.T) {
	l := board.Virt().Lamps.Nodes[0]
	for _, p := range []api.Pattern{api.Off, api.Steady, api.Slow, api.DoubleFlash, api.Fast} {
		for _, c := range []api.Colour{api.Green, api.Amber, api.Red} {
			for start := time.Duration(0); start < 2*time.Second; start += 10 * time.Millisecond {
				var seen []byte
				for at := start; at < start+lookFor; at += lookEvery {
					red, green := blink.Lines(p, c, at)
					var levels byte
					if red {
						levels |= 1 << l.Red.Offset
					}
					if green {
						levels |= 1 << l.Green.Offset
					}
					seen = append(seen, levels)
				}
				want := Shown{Pattern: p, Colour: c}
				if p == api.Off {
					want.Colour = api.Dark
				}
				if got := recognise(seen, l); got != want {
					t.Fatalf("%v looked at from %v on is taken for %v", want, start, got)
				}
			}
		}
	}
}
