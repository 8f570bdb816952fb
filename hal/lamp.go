package hal

import (
	"errors"
	"fmt"

	"periph.io/x/conn/v3/gpio"

	"spoolgate/board"
)

// Lamp is a two-colour lamp; red and green together are amber.
type Lamp interface {
	// Set lights the colours. It may be called at any rate.
	Set(red, green bool) error
	// Close puts the lamp out and lets go of its lines.
	Close() error
}

type gpioLamp struct{ red, green line }

// OpenLamp takes the lines of a lamp, dark at first.
func OpenLamp(b board.Lamp) (Lamp, error) {
	red, err := openLine(b.Red)
	if err != nil {
		return nil, err
	}
	green, err := openLine(b.Green)
	if err != nil {
		return nil, errors.Join(err, red.close())
	}
	l := gpioLamp{red, green}
	if err := l.Set(false, false); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l gpioLamp) Set(red, green bool) error {
	return errors.Join(l.red.set(red), l.green.set(green))
}

func (l gpioLamp) Close() error {
	return errors.Join(l.Set(false, false), l.red.close(), l.green.close())
}

// line is an output with its own idea of what "on" is.
type line struct {
	gpio.PinIO
	activeLow bool
	what      board.Line
}

func (l line) set(on bool) error {
	if err := l.Out(gpio.Level(on != l.activeLow)); err != nil {
		return fmt.Errorf("line %d of %s: %w", l.what.Offset, l.what.Chip, err)
	}
	return nil
}

// FakeLamp keeps what was set. It is not safe for concurrent use.
type FakeLamp struct {
	Red, Green, Closed bool
}

// Set refuses after Close, as the real one does.
func (f *FakeLamp) Set(red, green bool) error {
	if f.Closed {
		return errors.New("lamp is closed")
	}
	f.Red, f.Green = red, green
	return nil
}

// Close puts the lamp out.
func (f *FakeLamp) Close() error {
	f.Red, f.Green, f.Closed = false, false, true
	return nil
}
