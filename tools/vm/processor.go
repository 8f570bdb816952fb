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

// Worked is how long the box's processors have worked so far: the CPU time of the
// threads that emulate them, which sleep while the box idles. What the box counts
// itself is coarser, and has in it the time in which others had the real processors.
func (v *VM) Worked() (total time.Duration, _ error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", v.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for _, thread := range threads {
		name, err := os.ReadFile(filepath.Join(thread, "comm"))
		if err != nil || !strings.HasPrefix(string(name), "CPU ") {
			continue // another thread, or one that has ended just now
		}
		text, err := os.ReadFile(filepath.Join(thread, "schedstat"))
		if err != nil {
			return 0, err
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("time of the box's processors: %w", err)
		}
		total += time.Duration(ns)
	}
	if total == 0 {
		return 0, errors.New("QEMU has no thread for the box's processors")
	}
	return total, nil
}
