package acceptance

import (
	"strings"
	"time"

	"spoolgate/board"
	"spoolgate/tools/lab/node"
)

// awaitLamps waits until the lamps of the box and of nodes A and B show what is
// wanted; an empty want may be anything.
func (b *boxed) awaitLamps(when string, want ...string) {
	b.Helper()
	wiring := board.Virt().Lamps
	var last []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		shown, err := b.image.WatchLamps(b.ctx, append([]board.Lamp{wiring.Box}, wiring.Nodes...))
		b.must(err)
		last = nil
		reached := true
		for i, s := range shown {
			last = append(last, s.String())
			reached = reached && (want[i] == "" || want[i] == s.String())
		}
		if reached {
			b.Logf("%s: %s", when, strings.Join(last, ", "))
			return
		}
	}
	b.Fatalf("%s: the lamps of box, A and B show %q, want %q", when, last, want)
}

// Item 7, and the table of the panel: read from outside while nodes go up and down.
func (b *boxed) showsOnItsPanel() {
	a, second := b.Nodes[0], b.Nodes[1]
	b.awaitLamps("all is well", "steady green", "steady green", "steady green")
	b.must(a.StopService(node.TS))
	b.awaitLamps("A misses probes", "", "slow amber", "steady green")
	b.awaitLamps("A is down", "slow amber", "fast red", "steady green")
	b.must(second.StopService(node.TS))
	b.awaitLamps("B is down too", "fast red", "fast red", "fast red")
	b.must(a.StartService(node.TS))
	b.must(second.StartService(node.TS))
	b.awaitLamps("both start", "", "slow green", "slow green")
	b.awaitLamps("both are back", "steady green", "steady green", "steady green")
	b.shell("spoolctl drain A gently")
	b.awaitLamps("A drains", "", "double flash amber", "steady green")
	b.shell("spoolctl return A")
	b.awaitLamps("A is back", "steady green", "steady green", "steady green")
	b.pressesButton()
}

// pressesButton sees the lamp test from outside and the event on the console.
func (b *boxed) pressesButton() {
	b.Helper()
	var all byte
	wiring := board.Virt().Lamps
	for _, l := range append([]board.Lamp{wiring.Box}, wiring.Nodes...) {
		all |= 1<<l.Red.Offset | 1<<l.Green.Offset
	}
	lit := func() bool {
		levels, err := b.image.Lines()
		b.must(err)
		return levels&all == all
	}
	await := func(what string, is func() bool) time.Time {
		for end := time.Now().Add(within); !is(); <-time.After(20 * time.Millisecond) {
			if time.Now().After(end) {
				b.Fatal(what)
			}
		}
		return time.Now()
	}
	b.must(b.image.PressButton())
	from := await("the lamp test did not begin", lit)
	to := await("the lamp test did not end", func() bool { return !lit() })
	if d := to.Sub(from); d < time.Second || d > 4*time.Second {
		b.Errorf("the lamp test took %v, want about 2 s", d)
	}
	b.awaitWord("spoolctl events", "acknowledged")
	b.awaitLamps("after the lamp test", "steady green", "steady green", "steady green")
	b.Logf("lamp test %.1f s", to.Sub(from).Seconds())
}
