package panel

import (
	"errors"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/hal"
)

// filament is a lamp that counts how often it is set, and may refuse.
type filament struct {
	hal.FakeLamp
	set  int
	cold error
}

func (f *filament) Set(red, green bool) error {
	if f.cold != nil {
		return f.cold
	}
	f.set++
	return f.FakeLamp.Set(red, green)
}

// The loop turns fifty times a second; the lines are touched when a lamp changes.
func TestLampIsSetWhenItChanges(t *testing.T) {
	box, node := &filament{}, &filament{}
	p := &plate{lamps: []bulb{{Lamp: box}, {Lamp: node}}}
	state := []api.Lamp{lit(boxLabel, show{api.Slow, api.Amber}, ""), lit("A", show{api.Steady, api.Green}, "")}
	for at := time.Duration(0); at < 2*time.Second; at += turn {
		if err := p.light(state, at); err != nil {
			t.Fatal(err)
		}
		if lit := at%time.Second < 500*time.Millisecond; box.Red != lit || box.Green != lit {
			t.Fatalf("after %s the box's lamp is red %v, green %v", at, box.Red, box.Green)
		}
		if node.Red || !node.Green {
			t.Fatalf("after %s the node's lamp is red %v, green %v", at, node.Red, node.Green)
		}
	}
	if box.set != 4 || node.set != 1 {
		t.Errorf("a lamp that blinks once a second was set %d times in two, want 4; one that is steady %d times, want once", box.set, node.set)
	}
	if err := p.light(state[:1], 0); err != nil || node.Green {
		t.Errorf("a lamp that shows nothing any more is green %v, %v", node.Green, err)
	}
}

func TestLampThatRefusedIsSetAgain(t *testing.T) {
	box := &filament{cold: errors.New("no such line")}
	p := &plate{lamps: []bulb{{Lamp: box}}}
	state := []api.Lamp{lit(boxLabel, show{api.Steady, api.Red}, "")}
	if err := p.light(state, 0); !errors.Is(err, box.cold) {
		t.Errorf("the lamp's error became %v", err)
	}
	box.cold = nil
	if err := p.light(state, turn); err != nil || !box.Red {
		t.Errorf("it is red %v, %v", box.Red, err)
	}
}
