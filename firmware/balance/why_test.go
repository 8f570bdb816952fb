package balance

import (
	"testing"
	"time"

	"spoolgate/firmware/api"
)

func TestEveryMoveHasItsReason(t *testing.T) {
	open := func(g *Group, id NodeID, now time.Time) string {
		t.Helper()
		if move, moved := g.Opened(mfd(0), id, false, now); moved {
			return (Why{Cause: move.Cause, From: move.From}).Text(name)
		}
		return "stays"
	}
	tests := []struct {
		name string
		then func(g *Group, now *time.Time) // between a closed connection on A and one on B
		want string
	}{
		{"down", func(g *Group, now *time.Time) { g.SetHealthy(1, false, *now) }, "moved from A, which did not serve"},
		{"down and back while the event was under way", func(g *Group, now *time.Time) {
			g.SetHealthy(1, false, *now)
			g.SetHealthy(1, true, *now)
		}, "moved from A, which did not serve"},
		{"down and back, and nobody else served meanwhile", func(g *Group, now *time.Time) {
			g.SetHealthy(1, false, *now)
			g.SetHealthy(1, true, now.Add(time.Minute))
			*now = now.Add(5 * time.Minute)
		}, "moved from A, which did not serve"},
		{"drained at once and then gently", func(g *Group, now *time.Time) {
			g.Drain(1, api.MoveNow, false, *now)
			g.Drain(1, api.DrainGently, false, now.Add(time.Minute))
			*now = now.Add(5 * time.Minute)
		}, "moved from A, which was taken out of service"},
		{"drained at once", func(g *Group, now *time.Time) { g.Drain(1, api.MoveNow, false, *now) }, "moved from A, which was taken out of service"},
		{"stopped", func(g *Group, now *time.Time) { g.Drain(1, api.StopNow, false, *now) }, "moved from A, which was taken out of service"},
		{"drained at once, and down since", func(g *Group, now *time.Time) {
			g.Drain(1, api.MoveNow, false, *now)
			g.SetHealthy(1, false, now.Add(time.Minute))
			*now = now.Add(5 * time.Minute)
		}, "moved from A, which was taken out of service"},
		{"down, and drained since", func(g *Group, now *time.Time) {
			g.SetHealthy(1, false, *now)
			g.Drain(1, api.MoveNow, false, now.Add(time.Minute))
			*now = now.Add(5 * time.Minute)
		}, "moved from A, which did not serve"},
		{"down, drained since, and well again", func(g *Group, now *time.Time) {
			g.SetHealthy(1, false, *now)
			g.Drain(1, api.MoveNow, false, now.Add(time.Minute))
			g.SetHealthy(1, true, now.Add(2*time.Minute))
			*now = now.Add(5 * time.Minute)
		}, "moved from A, which was taken out of service"},
		{"drained and returned, and down since", func(g *Group, now *time.Time) {
			g.Drain(1, api.MoveNow, false, *now)
			g.Return(1, *now)
			g.SetHealthy(1, false, *now)
		}, "moved from A, which did not serve"},
		{"drained gently, and down since", func(g *Group, now *time.Time) {
			g.Drain(1, api.DrainGently, false, *now)
			g.SetHealthy(1, false, *now)
		}, "moved from A, which did not serve"},
		{"moved by hand", func(g *Group, now *time.Time) { g.MoveClient(mfd(0), 2, *now) }, "stays"},
		{"forgotten", func(g *Group, now *time.Time) { g.Forget(mfd(0), *now) }, "stays"},
		{"forgotten, with an old event under way", func(g *Group, now *time.Time) {
			g.Forget(mfd(0), *now)
			g.Opened(mfd(0), 1, false, *now)
		}, "moved by the operator"},
		{"window over", func(g *Group, now *time.Time) { *now = now.Add(affinity) }, "stays"},
		{"no reason", func(g *Group, now *time.Time) { *now = now.Add(affinity / 2) }, "changed from A for no known reason"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := healthyGroup(1, 1)
			now := start.Add(time.Minute)
			g.Opened(mfd(0), 1, false, now)
			g.Closed(mfd(0), 1, now)
			tt.then(g, &now)
			if got := open(g, 2, now); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if c, _ := g.Lookup(mfd(0), now); c.Node != 2 {
				t.Errorf("is bound to %s", name(c.Node))
			}
		})
	}
}

func TestCauseIsReadAsItWasWritten(t *testing.T) {
	for word, want := range map[string]Cause{"first contact": FirstContact, "node left": NodeLeft, "node taken out": TakenOut,
		"operator": Operator, "remembered": Remembered, "unexplained": Unexplained} {
		if got, known := ParseCause(word); !known || got != want || want.String() != word {
			t.Errorf("%q is read as %q, and %q is written", word, got, want)
		}
	}
	if c, known := ParseCause("magic"); known {
		t.Errorf("a word of another version is %q", c)
	}
}
