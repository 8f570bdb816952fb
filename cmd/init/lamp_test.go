package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/hal"
)

// lampLog opens fake lamps and keeps them.
type lampLog struct {
	lamps []*hal.FakeLamp
	err   error
}

func (l *lampLog) open() (hal.Lamp, error) {
	if l.err != nil {
		return nil, l.err
	}
	l.lamps = append(l.lamps, &hal.FakeLamp{})
	return l.lamps[len(l.lamps)-1], nil
}

func (l *lampLog) now(t *testing.T) *hal.FakeLamp {
	t.Helper()
	if len(l.lamps) == 0 {
		t.Fatal("nobody took the lamp")
	}
	return l.lamps[len(l.lamps)-1]
}

func testBox(l *lampLog) *box {
	b := &box{}
	b.beacon = &beacon{open: l.open, guard: b.guard}
	return b
}

// rises counts how often the lamp goes on in 2 s, and in which colours.
func rises(l *hal.FakeLamp) (n int, red, green bool) {
	was := false
	for range 200 {
		synctest.Wait()
		is := l.Red || l.Green
		if is && !was {
			n++
		}
		was, red, green = is, red || l.Red, green || l.Green
		time.Sleep(10 * time.Millisecond)
	}
	return n, red, green
}

func TestBoxLampTellsOfFaultsWhileThePanelsDaemonIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lampLog{}
		b := testBox(l)
		if err := b.beacon.showBooting(); err != nil {
			t.Fatal(err)
		}
		if n, red, green := rises(l.now(t)); n != 2 || red || !green {
			t.Errorf("booting: %d lights, red %v, green %v", n, red, green)
		}
		b.spawning("webd")
		if l.now(t).Closed {
			t.Error("the lamp was let go of for another daemon")
		}
		b.spawning(panelDaemon)
		if !l.now(t).Closed {
			t.Fatal("the panel's daemon starts, and init still has its lines")
		}
		b.standIn([]api.Daemon{{Name: panelDaemon, State: api.DaemonRunning, PID: 7}})
		if len(l.lamps) != 1 {
			t.Fatal("init took the lamp from a daemon that runs")
		}
		b.standIn([]api.Daemon{{Name: "netd", State: api.DaemonWaiting}, {Name: panelDaemon, State: api.DaemonWaiting}})
		if n, red, green := rises(l.now(t)); n != 5 || !red || green {
			t.Errorf("crash loop: %d lights, red %v, green %v", n, red, green)
		}
		b.standIn([]api.Daemon{{Name: panelDaemon, State: api.DaemonWaiting}})
		if len(l.lamps) != 2 {
			t.Errorf("the lamp was taken %d times", len(l.lamps))
		}
		b.standIn([]api.Daemon{{Name: panelDaemon, State: api.DaemonStopped}})
		if n, red, green := rises(l.now(t)); n != 2 || red || !green || !l.lamps[1].Closed {
			t.Errorf("on the way down: %d lights, red %v, green %v", n, red, green)
		}
		b.beacon.release()
	})
}

func TestLampThatCannotBeHadStopsNothing(t *testing.T) {
	l := &lampLog{err: errors.New("busy")}
	b := testBox(l)
	if err := b.beacon.showFault(); err == nil {
		t.Error("the reason was lost")
	}
	b.spawning(panelDaemon)
	l.err = nil
	if err := b.beacon.showFault(); err != nil {
		t.Error(err)
	}
	b.beacon.release()
}
