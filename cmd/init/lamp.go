package main

import (
	"errors"
	"sync"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/panel/blink"
	"spoolgate/hal"
)

// panelDaemon drives the lamps whenever it runs.
const panelDaemon = "paneld"

// beacon is the lamp of the box while the daemon of the panel is not there to
// drive it: slow green on the way up and down, fast red when something is wrong.
type beacon struct {
	open  func() (hal.Lamp, error)
	guard func(what string, f func())

	mu      sync.Mutex
	pattern api.Pattern
	stop    func() // ends the blinking, and returns when the lamp's lines are free
}

// showBooting and showFault take the lamp; nothing else may have its lines.
func (b *beacon) showBooting() error { return b.show(api.Slow, api.Green) }
func (b *beacon) showFault() error   { return b.show(api.Fast, api.Red) }

func (b *beacon) show(p api.Pattern, c api.Colour) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop != nil && b.pattern == p {
		return nil
	}
	b.letGo()
	lamp, err := b.open()
	if err != nil {
		return err
	}
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		// Also after a panic nobody may wait for these lines.
		err := errors.New("the blinking panicked")
		defer func() { ended <- errors.Join(err, lamp.Close()) }()
		b.guard("lamp", func() { err = blinkUntil(end, lamp, p, c) })
	}()
	b.pattern, b.stop = p, func() { close(end); <-ended }
	return nil
}

// release lets go of the lamp. When it has returned another process can have it.
func (b *beacon) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letGo()
}

func (b *beacon) letGo() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
}

// beaconTurn is how often the lamp is set; the shortest light takes 200 ms.
const beaconTurn = 50 * time.Millisecond

func blinkUntil(end <-chan struct{}, lamp hal.Lamp, p api.Pattern, c api.Colour) error {
	tick := time.NewTicker(beaconTurn)
	defer tick.Stop()
	for start := time.Now(); ; {
		if err := lamp.Set(blink.Lines(p, c, time.Since(start))); err != nil {
			return err
		}
		select {
		case <-end:
			return nil
		case <-tick.C:
		}
	}
}

// lightLamp is the first sign of life in front of the box.
func (b *box) lightLamp() error {
	if b.board.Name == "" {
		return errors.New("an unknown board has unknown lamps")
	}
	b.beacon.open = func() (hal.Lamp, error) { return hal.OpenLamp(b.board.Lamps.Box) }
	return b.beacon.showBooting()
}

// spawning gives the lamp to the daemon of the panel.
func (b *box) spawning(service string) {
	if service == panelDaemon {
		b.beacon.release()
	}
}

// standIn takes the lamp when the daemon of the panel is gone.
func (b *box) standIn(list []api.Daemon) {
	for _, d := range list {
		if d.Name != panelDaemon || d.PID != 0 {
			continue
		}
		show := b.beacon.showFault
		if d.State == api.DaemonStopped {
			show = b.beacon.showBooting // it was told to go: the box restarts
		}
		if err := show(); err != nil {
			b.log.Error("box lamp", "error", err)
		}
	}
}
