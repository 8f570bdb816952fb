package balance

import (
	"testing"
	"time"

	"spoolgate/firmware/api"
)

func TestDrainOfBeforeARestartIsStillWhyItsClientsMove(t *testing.T) {
	g := NewGroup(affinity, []Spec{{ID: 1, Weight: 1}, {ID: 2, Weight: 1}}, start)
	if err := g.Drain(1, api.MoveNow, true, start); err != nil {
		t.Fatal(err)
	}
	g.Adopt([]Binding{{Client: mfd(0), Node: 1, Left: affinity / 2}}, start)
	g.SetHealthy(1, true, start)
	g.SetHealthy(2, true, start)
	if move, _ := g.Opened(mfd(0), 2, false, start.Add(time.Minute)); move.Cause != TakenOut {
		t.Errorf("it moved by %q", move.Cause)
	}
}

func TestDrainsThreeVerbs(t *testing.T) {
	tests := []struct {
		verb    api.DrainVerb
		serves  bool // bound clients stay
		service api.Service
		after   api.Service // once the connection is closed
	}{
		{api.DrainGently, true, api.Draining, api.Draining},
		{api.MoveNow, false, api.Draining, api.OutOfService},
		{api.StopNow, false, api.OutOfService, api.OutOfService},
	}
	for _, tt := range tests {
		t.Run(string(tt.verb), func(t *testing.T) {
			g := healthyGroup(1, 1)
			g.Opened(mfd(0), 1, false, start)
			if err := g.Drain(1, tt.verb, false, start); err != nil {
				t.Fatal(err)
			}
			if got := next(t, g, start); got != 2 {
				t.Error("a draining node is dealt to")
			}
			if serves := len(g.Up()) == 2; serves != tt.serves {
				t.Errorf("bound clients stay: %v", serves)
			}
			if s := g.Nodes()[0].Service; s != tt.service {
				t.Errorf("is %s", s)
			}
			g.Closed(mfd(0), 1, start)
			g.Emptied(start.Add(windowSlack))
			if s := g.Nodes()[0].Service; s != tt.after {
				t.Errorf("after the close: %s", s)
			}
			end := start.Add(affinity + time.Second)
			g.Sweep(end)
			g.Emptied(end)
			if s := g.Nodes()[0].Service; s != api.OutOfService {
				t.Errorf("after the window: %s", s)
			}
			if err := g.Return(1, end); err != nil || len(g.Up()) != 2 || g.Nodes()[0].Service != api.InService {
				t.Errorf("return: %v, %+v", err, g.Nodes()[0])
			}
		})
	}
}

func TestLastServingNodeIsDrainedByForceOnly(t *testing.T) {
	g := healthyGroup(1, 1)
	g.SetHealthy(2, false, start)
	if err := g.Drain(1, api.StopNow, false, start); err != ErrLastNode {
		t.Errorf("got %v", err)
	}
	if err := g.Drain(1, api.StopNow, true, start); err != nil {
		t.Errorf("by force: %v", err)
	}
	if err := g.Drain(2, "softly", true, start); err == nil {
		t.Error("an unknown verb was taken")
	}
	if err := g.Drain(7, api.StopNow, true, start); err != ErrUnknownNode {
		t.Errorf("got %v", err)
	}
}

func TestDrainSaysWhenTheNodeWillBeEmpty(t *testing.T) {
	g := healthyGroup(1, 1)
	g.Opened(mfd(0), 1, false, start)
	if _, known := g.EmptyBy(1); known {
		t.Error("known although a connection is open")
	}
	g.Closed(mfd(0), 1, start.Add(time.Minute))
	if at, known := g.EmptyBy(1); !known || !at.Equal(start.Add(time.Minute+affinity)) {
		t.Errorf("%v %v", at, known)
	}
}

// What is told late must be told before its node is called empty, and who calls unheard
// keeps the place.
func TestAHushedGroupWaitsLonger(t *testing.T) {
	for _, hushed := range []bool{false, true} {
		g := healthyGroup(1, 1)
		g.Opened(mfd(0), 1, false, start)
		g.Closed(mfd(0), 1, start)
		if hushed {
			g.Hush(start)
		}
		if err := g.Drain(1, api.MoveNow, false, start); err != nil {
			t.Fatal(err)
		}
		if early := len(g.Emptied(start.Add(windowSlack))) > 0; early == hushed {
			t.Errorf("hushed %v: it is called empty after %v: %v", hushed, windowSlack, early)
		}
		if hushed && len(g.Emptied(start.Add(late))) != 1 {
			t.Errorf("it is not called empty after %v", late)
		}
		g.Sweep(start.Add(affinity + time.Second))
		if _, bound := g.Lookup(mfd(0), start); bound != hushed {
			t.Errorf("hushed %v: bound after the window: %v", hushed, bound)
		}
		g.Sweep(start.Add(affinity + unheard + time.Second))
		if g.Len() != 0 {
			t.Errorf("hushed %v: bound for ever", hushed)
		}
	}
}
