package hal

import (
	"fmt"
	"strings"

	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/host/v3/gpioioctl"

	"spoolgate/board"
)

// openLine finds a line by the label of its chip: numbers of chips change with
// the order of detection.
func openLine(b board.Line) (line, error) {
	// Only gpioioctl is linked, so this loads the kernel's own interface alone.
	// host.Init would map the SoC's registers, past the kernel.
	state, err := driverreg.Init()
	if err != nil {
		return line{}, fmt.Errorf("GPIO: %w", err)
	}
	var labels []string
	for _, chip := range gpioioctl.Chips {
		if chip.Label() != b.Chip {
			labels = append(labels, chip.Label())
			continue
		}
		if l := chip.ByNumber(b.Offset); l != nil {
			return line{PinIO: l, activeLow: b.ActiveLow, what: b}, nil
		}
		return line{}, fmt.Errorf("GPIO chip %s has no line %d", b.Chip, b.Offset)
	}
	for _, failed := range state.Failed {
		return line{}, fmt.Errorf("GPIO: %w", failed.Err)
	}
	return line{}, fmt.Errorf("no GPIO chip has the label %s; there are %q", b.Chip, strings.Join(labels, ", "))
}

func (l line) close() error {
	if c, ok := l.PinIO.(*gpioioctl.GPIOLine); ok {
		c.Close()
	}
	return nil
}
