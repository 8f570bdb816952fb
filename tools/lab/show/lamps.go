package show

import (
	"context"
	"fmt"
	"strings"
	"time"

	"spoolgate/board"
)

// Lamps are read from the outside: levels of the GPIO lines, often enough to
// tell a pattern.
const (
	look    = 40 * time.Millisecond
	looks   = 55 // 2.2 s: longer than the longest pattern
	restful = time.Second
)

// watchLamps tells the panel whenever it shows something else.
func (s *stage) watchLamps(ctx context.Context) {
	wiring := board.Virt().Lamps
	names := []string{"box"}
	lamps := []board.Lamp{wiring.Box}
	for i, l := range wiring.Nodes {
		if i < len(s.site.Nodes) {
			names, lamps = append(names, nodeName(i)), append(lamps, l)
		}
	}
	told, before := "", ""
	for sleep(ctx, restful) {
		var seen []byte
		for range looks {
			levels, err := s.box.Lines()
			if err != nil || !sleep(ctx, look) {
				return
			}
			seen = append(seen, levels)
		}
		var shown []string
		for i, l := range lamps {
			shown = append(shown, names[i]+" "+pattern(seen, l))
		}
		// A look at a change sees half of each pattern: what counts is seen twice.
		now := strings.Join(shown, ", ")
		if now == before && now != told {
			s.say("lamps:   %s", now)
			told = now
		}
		before = now
	}
}

// pattern names what a lamp did over some looks at the lines.
func pattern(seen []byte, l board.Lamp) string {
	red, green, rises := 0, 0, 0
	was := true
	for _, levels := range seen {
		r, g := levels>>l.Red.Offset&1 == 1, levels>>l.Green.Offset&1 == 1
		if r {
			red++
		}
		if g {
			green++
		}
		if (r || g) && !was {
			rises++
		}
		was = r || g
	}
	colour := "amber"
	switch {
	case red == 0 && green == 0:
		return "off"
	case green == 0:
		colour = "red"
	case red == 0:
		colour = "green"
	}
	lit := max(red, green)
	switch {
	case lit == len(seen):
		return "steady " + colour
	case rises >= 4:
		return "fast " + colour
	case lit < len(seen)*3/10:
		return "double flash " + colour
	}
	return fmt.Sprintf("slow %s", colour)
}
