package vm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Worked is how long the box's processor has worked so far: the CPU time of the
// thread that emulates it, which sleeps while the box idles. What the box counts
// itself is coarser, and has in it the time in which others had the real processor.
func (v *VM) Worked() (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", v.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for _, thread := range threads {
		name, err := os.ReadFile(filepath.Join(thread, "comm"))
		if err != nil || !strings.HasPrefix(string(name), "CPU 0/") {
			continue // another thread, or one that has ended just now
		}
		text, err := os.ReadFile(filepath.Join(thread, "schedstat"))
		if err != nil {
			return 0, err
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("time of the box's processor: %w", err)
		}
		return time.Duration(ns), nil
	}
	return 0, errors.New("QEMU has no thread for the box's processor")
}
