package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/u-root/u-root/pkg/cmdline"
	"github.com/u-root/u-root/pkg/kmodule"
	"golang.org/x/sys/unix"

	"spoolgate/board"
	"spoolgate/hal"
)

func (b *box) findBoard() error {
	compatible, err := os.ReadFile("/proc/device-tree/compatible")
	if err != nil {
		return err
	}
	b.board, err = board.Running(compatible)
	b.report.boot.Board = b.board.Name
	b.report.boot.Slot, _ = cmdline.Flag("spoolgate.slot")
	return err
}

func (b *box) loadModules() error {
	prober, err := kmodule.NewProber(kmodule.ProbeOpts{})
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range b.board.Modules {
		if err := prober.Probe(name, ""); err != nil {
			failed = append(failed, fmt.Errorf("module %s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// openWatchdog arms the watchdog as early as there is one. "spoolgate.watchdog=off"
// leaves it alone: QEMU's raspi4b resets as soon as it is opened.
func (b *box) openWatchdog() error {
	if v, _ := cmdline.Flag("spoolgate.watchdog"); v == "off" {
		return nil
	}
	if b.board.Watchdog.Device == "" {
		return errors.New("the board has none")
	}
	w, err := hal.OpenWatchdog(b.board.Watchdog.Device, time.Duration(b.board.Watchdog.Seconds)*time.Second)
	if err != nil {
		return err
	}
	b.watchdog = w
	return nil
}

// kernelSettings are values below /proc/sys.
func kernelSettings() []struct{ path, value string } {
	return []struct{ path, value string }{
		{"kernel/panic", "5"},             // seconds to a restart
		{"kernel/panic_on_oops", "1"},     // a wounded kernel must not go on dealing
		{"kernel/modprobe", "\n"},         // there is no such program here
		{"kernel/printk_devkmsg", "on\n"}, // refused without the line's end
		{"kernel/kptr_restrict", "2"},
		{"kernel/unprivileged_bpf_disabled", "1"},
		{"kernel/ctrl-alt-del", "0"}, // Ctrl-Alt-Del is a signal to init
		{"vm/overcommit_memory", "1"},
		// With 1,024 neighbours, the kernel's own limit, the next MFD of a large
		// floor would not be found.
		{"net/ipv4/neigh/default/gc_thresh2", "16384"},
		{"net/ipv4/neigh/default/gc_thresh3", "32768"},
		// The kernel's own, by memory, is 8,192 on a board of 1 GB. An entry takes some
		// 400 bytes while it is used. Whoever looks for connections, once a second on a
		// busy box and when a node dies, goes through all buckets; a full table has eight
		// places in each, an office's not one.
		{"net/netfilter/nf_conntrack_buckets", "32768"},
		{"net/netfilter/nf_conntrack_max", "131072"},
	}
}

func (b *box) setKernel() error {
	var failed []error
	for _, s := range kernelSettings() {
		if err := os.WriteFile(filepath.Join("/proc/sys", s.path), []byte(s.value), 0); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// consoleTTY is the terminal behind /dev/console, which itself cannot be
// anybody's controlling terminal: the last that the kernel lists.
func consoleTTY() (string, error) {
	active, err := os.ReadFile("/sys/class/tty/console/active")
	if err != nil {
		return "", err
	}
	names := strings.Fields(string(active))
	if len(names) == 0 {
		return "", errors.New("the kernel has no console")
	}
	return "/dev/" + names[len(names)-1], nil
}

// giveGPIO lets the panel's group use the GPIO chips.
func giveGPIO(group uint32) error {
	chips, err := filepath.Glob("/dev/gpiochip*")
	if err != nil {
		return err
	}
	for _, c := range chips {
		if err := os.Chown(c, 0, int(group)); err != nil {
			return fmt.Errorf("give group %s the chip: %w", strconv.Itoa(int(group)), err)
		}
		if err := os.Chmod(c, 0o660); err != nil {
			return err
		}
	}
	return nil
}

// setHostname names the box until its configuration does.
func (b *box) setHostname() error { return unix.Sethostname([]byte("spoolgate")) }
