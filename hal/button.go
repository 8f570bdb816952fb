package hal

import (
	"fmt"

	"periph.io/x/conn/v3/gpio"

	"spoolgate/board"
)

// Button is a contact. It bounces; whoever reads it has to wait for it to rest.
type Button interface {
	Pressed() bool
	Close() error
}

type gpioButton struct{ line }

// OpenButton takes the line of a button. It is read, not waited for: periph's
// WaitForEdge returns at once when asked to wait without end (periph/host#78),
// and the panel's loop turns often enough.
func OpenButton(b board.Line) (Button, error) {
	l, err := openLine(b)
	if err != nil {
		return nil, err
	}
	pull := gpio.PullNoChange
	if b.PullUp {
		pull = gpio.PullUp
	}
	if err := l.In(pull, gpio.NoEdge); err != nil {
		return nil, fmt.Errorf("button: line %d of %s: %w", b.Offset, b.Chip, err)
	}
	return gpioButton{l}, nil
}

func (b gpioButton) Pressed() bool { return bool(b.Read()) != b.activeLow }

func (b gpioButton) Close() error { return b.close() }

// FakeButton is pressed when it is told so.
type FakeButton struct{ Down bool }

// Pressed is what was last set.
func (f *FakeButton) Pressed() bool { return f.Down }

// Close does nothing.
func (f *FakeButton) Close() error { return nil }
