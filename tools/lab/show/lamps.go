package show

import (
	"context"
	"strings"
	"time"

	"spoolgate/board"
)

// restful is how long the lamps are left alone between two looks.
const restful = time.Second

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
		seen, err := s.box.WatchLamps(ctx, lamps)
		if err != nil {
			return
		}
		var shown []string
		for i, l := range seen {
			shown = append(shown, names[i]+" "+l.String())
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
