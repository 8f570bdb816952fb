package incident

import (
	"testing"
	"time"

	"spoolgate/firmware/api"
)

// ACCEPTANCE B9: a node that flaps every 20 s for 10 minutes. It answers and falls
// silent, and never for so long that it serves.
func TestFlapWithinTheUpDelayBecomesADigest(t *testing.T) {
	s := tell(t)
	for range 30 {
		s.node("A", api.Down).pass(10*time.Second).node("A", api.Starting).pass(10 * time.Second)
	}
	s.want(downA, digestA, digestA)
	if i := s.open(1)[0]; i.Times != 30 {
		t.Errorf("it came %d times", i.Times)
	}
	s.pass(3*time.Minute).node("A", api.Up).pass(5*time.Minute).want(downA, digestA, digestA).open(1)
	s.pass(time.Hour).want(downA, digestA, digestA, clearA).open(0)
}

// A node that serves in between was told to be well again: that it is not is told at
// once, and then only now and then.
func TestFlapBeyondTheUpDelayBecomesADigest(t *testing.T) {
	s := tell(t)
	for range 30 {
		s.node("A", api.Down).pass(10*time.Second).node("A", api.Up).pass(10 * time.Second)
	}
	s.want(downA, clearA, digestA, digestA).pass(time.Hour).want(downA, clearA, digestA, digestA, clearA).open(0)
	s.pass(time.Hour).node("A", api.Down)
	if i := s.open(1)[0]; i.ID != 2 || i.Times != 1 {
		t.Errorf("hours later it is told as %+v", i)
	}
}

// A node that came back once and died again is Down: there is nothing to sum up.
func TestSecondDeathIsToldOnceHoweverLongItLasts(t *testing.T) {
	tell(t).node("A", api.Down).node("A", api.Up).pass(time.Minute).node("A", api.Down).pass(48*time.Hour).
		want(downA, clearA, digestA)
}

func TestServerThatStumblesOnceWhileItStartsDoesNotFlap(t *testing.T) {
	tell(t).node("A", api.Down).pass(time.Minute).node("A", api.Starting).pass(20*time.Second).node("A", api.Down).pass(time.Minute).
		node("A", api.Starting).pass(3*time.Minute).node("A", api.Up).pass(time.Second).want(downA, clearA)
}
