package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/u-root/u-root/pkg/mount"
	"golang.org/x/sys/unix"
)

type action string

const (
	restart  action = "restart"
	powerOff action = "power off"
)

// ending is how and why the box ends.
type ending struct {
	action action
	why    string
	failed bool // nobody asked for it
	reset  bool // to what the box was when it was new
}

// readingTime is how long a reason stays on the console before a box that
// failed restarts.
const readingTime = 10 * time.Second

// end is the one way out: whatever ends the box comes through here. The
// services have been stopped, or never were started. The watchdog stays armed,
// so that a hang on the way out ends too.
func (b *box) end(e ending) {
	if e.failed {
		if err := b.beacon.showFault(); err != nil {
			b.log.Error("box lamp", "error", err)
		}
		b.say("%s in %v, because %s", e.action, readingTime, e.why)
		b.feed()
		time.Sleep(readingTime)
	}
	b.feed()
	// Whatever else is left, such as what a technician started from the shell.
	_ = unix.Kill(-1, unix.SIGKILL)
	for _, err := range []error{b.reset(e), b.saveClock(), b.saveLastEnd(e), b.unmountData()} {
		if err != nil {
			b.log.Error("on the way out", "error", err)
		}
	}
	unix.Sync()
	command := unix.LINUX_REBOOT_CMD_RESTART
	if e.action == powerOff {
		command = unix.LINUX_REBOOT_CMD_POWER_OFF
	}
	if err := unix.Reboot(command); err != nil {
		b.say("%s: %v", e.action, err)
	}
}

// reset comes before what the next start wants to know is written.
func (b *box) reset(e ending) error {
	if !e.reset || !b.hasData {
		return nil
	}
	return wipe(dataPath)
}

func (b *box) unmountData() error {
	if !b.hasData {
		return nil
	}
	if err := mount.Unmount(dataPath, false, false); err != nil {
		// A process that the kernel holds still has a file open: what is written is safe then.
		return errors.Join(err, unix.Mount("", dataPath, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	}
	return nil
}

// lastEndPath exists from an orderly end to the next start.
const lastEndPath = dataPath + "/init/last-end"

func (b *box) saveLastEnd(e ending) error {
	if !b.hasData {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(lastEndPath), 0o700); err != nil {
		return err
	}
	word := "operator"
	if e.failed {
		word = "failure"
	}
	return os.WriteFile(lastEndPath, fmt.Appendf(nil, "%s: %s\n", word, e.why), 0o600)
}

// findLastEnd tells why the previous run ended. Who ends in order leaves a
// note; of the rest the watchdog's own flag and a panic's last words are sure,
// and what remains is the power.
func (b *box) findLastEnd() error {
	if v, err := os.ReadFile(lastEndPath); err == nil {
		b.report.boot.LastEnd = strings.TrimSpace(string(v))
		return errors.Join(os.Remove(lastEndPath), b.saveClock())
	}
	panics, _ := filepath.Glob("/sys/fs/pstore/dmesg-*")
	_, ran := os.Stat(clockPath)
	switch {
	case len(panics) > 0:
		b.report.boot.LastEnd = "panic"
	case b.watchdog != nil && b.watchdog.ResetBefore():
		b.report.boot.LastEnd = "watchdog"
	case !b.hasData:
		return errors.New("without the data partition nothing is remembered")
	case ran != nil:
		b.report.boot.LastEnd = "first start"
	default:
		b.report.boot.LastEnd = "power"
	}
	// From now on there was a run.
	return b.saveClock()
}
