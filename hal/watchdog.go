// Package hal is mechanism: what the box does to its hardware, behind small
// interfaces, each with the real thing and a fake that keeps the same promises.
// Wiring is in package board.
package hal

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/u-root/u-root/pkg/watchdog"
	"golang.org/x/sys/unix"
)

// Watchdog resets the box when it is not fed. Opening arms it.
type Watchdog interface {
	// Feed puts the reset off by the whole timeout.
	Feed() error
	// ResetBefore reports whether the watchdog caused the last reset. Not all
	// hardware can tell; it says false then.
	ResetBefore() bool
	// Close leaves the watchdog armed: what comes after must be done within the
	// timeout.
	Close() error
}

type hardwareWatchdog struct {
	device *watchdog.Watchdog
	reset  bool
}

// OpenWatchdog arms the watchdog at device, such as "/dev/watchdog", with a
// timeout of whole seconds. The driver of the SoC must be loaded.
func OpenWatchdog(device string, timeout time.Duration) (Watchdog, error) {
	d, err := watchdog.Open(device)
	if err != nil {
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	// Watchdog.SetTimeout of u-root v0.16.0 hands the kernel nanoseconds.
	if err := unix.IoctlSetPointerInt(int(d.Fd()), unix.WDIOC_SETTIMEOUT, int(timeout/time.Second)); err != nil {
		d.MagicClose()
		return nil, fmt.Errorf("watchdog %s: set timeout to %v: %w", device, timeout, err)
	}
	// Some drivers do not know why the last reset was.
	status, err := d.BootStatus()
	return &hardwareWatchdog{device: d, reset: err == nil && status&watchdog.StatusCardReset != 0}, nil
}

func (w *hardwareWatchdog) Feed() error       { return w.device.KeepAlive() }
func (w *hardwareWatchdog) ResetBefore() bool { return w.reset }
func (w *hardwareWatchdog) Close() error      { return w.device.Close() }

// FakeWatchdog is a watchdog on a clock of the test's own.
type FakeWatchdog struct {
	mu      sync.Mutex
	timeout time.Duration
	now     func() time.Time
	fed     time.Time
	fired   bool
	before  bool
}

// NewFakeWatchdog is armed at once, as the real one.
func NewFakeWatchdog(timeout time.Duration, resetBefore bool, now func() time.Time) *FakeWatchdog {
	return &FakeWatchdog{timeout: timeout, now: now, fed: now(), before: resetBefore}
}

// Feed fails when it comes too late: the box would have been reset.
func (w *FakeWatchdog) Feed() error {
	if w.Fired() {
		return errors.New("watchdog: the box was reset")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fed = w.now()
	return nil
}

// Fired reports whether the box would have been reset by now. It stays true.
func (w *FakeWatchdog) Fired() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fired = w.fired || w.now().Sub(w.fed) >= w.timeout
	return w.fired
}

// ResetBefore says what NewFakeWatchdog was told.
func (w *FakeWatchdog) ResetBefore() bool { return w.before }

// Close leaves it armed.
func (w *FakeWatchdog) Close() error { return nil }
