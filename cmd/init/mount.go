package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/u-root/u-root/pkg/mount"
	"golang.org/x/sys/unix"

	"spoolgate/firmware/logline"
)

// filesystems are mounted first, in this order.
func filesystems() []struct {
	source, path, fstype, data string
	flags                      uintptr
} {
	const strict = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	return []struct {
		source, path, fstype, data string
		flags                      uintptr
	}{
		{"devtmpfs", "/dev", "devtmpfs", "mode=0755", unix.MS_NOSUID},
		{"devpts", "/dev/pts", "devpts", "ptmxmode=0666,mode=0620", unix.MS_NOSUID | unix.MS_NOEXEC},
		{"proc", "/proc", "proc", "", strict},
		{"sysfs", "/sys", "sysfs", "", strict},
		{"tmpfs", "/run", "tmpfs", "mode=0755,size=64m", strict},
		{"tmpfs", "/tmp", "tmpfs", "mode=1777,size=64m", strict},
	}
}

func (b *box) mount() error {
	for _, f := range filesystems() {
		if err := os.MkdirAll(f.path, 0o755); err != nil {
			return err
		}
		if _, err := mount.Mount(f.source, f.path, f.fstype, f.data, f.flags); err != nil {
			return err
		}
	}
	// Not in every kernel; what a panic left is read here.
	if _, err := mount.Mount("pstore", "/sys/fs/pstore", "pstore", "", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC); err != nil && !errors.Is(err, os.ErrNotExist) {
		b.problem(err.Error() + ": the last words of a panic are lost")
	}
	return nil
}

// openLog makes the kernel log the log of the box.
func (b *box) openLog() error {
	kmsg, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	// The runtime and the shim write to descriptor 2.
	if err := unix.Dup3(int(kmsg.Fd()), 2, 0); err != nil {
		return fmt.Errorf("make /dev/kmsg standard error: %w", err)
	}
	kmsg.Close()
	b.log = logline.New("init", os.Stderr, true)
	if up, err := os.ReadFile("/proc/uptime"); err == nil {
		if seconds, _, ok := strings.Cut(string(up), " "); ok {
			if s, err := strconv.ParseFloat(seconds, 64); err == nil {
				b.report.kernel = time.Duration(s*float64(time.Second)) - time.Since(b.started)
			}
		}
	}
	b.report.boot.Started = b.started
	return nil
}
