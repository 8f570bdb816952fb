// Package account tells how much CPU time a set of processes used, by control
// groups: to the microsecond, and with what the kernel did on their behalf.
package account

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Group is a set of processes. A process is put into it when it starts, by
// syscall.SysProcAttr's UseCgroupFD.
type Group struct {
	dir *os.File
}

// New makes a group, at the top of the control groups of version 2. They count CPU
// time also where version 1 has the controllers.
func New(name string) (*Group, error) {
	root, err := mounted()
	if err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(root, fmt.Sprintf("spoolgate-bench-%d-%s-", os.Getpid(), name))
	if err != nil {
		return nil, fmt.Errorf("make control group, which takes root: %w", err)
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return &Group{dir: dir}, nil
}

func mounted() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], nil
		}
	}
	return "", errors.New("no cgroup2 file system is mounted, so CPU time can't be told apart: mount one, as systemd does at /sys/fs/cgroup")
}

// FD is for syscall.SysProcAttr.
func (g *Group) FD() int { return int(g.dir.Fd()) }

// CPU is the time used so far, of processes that have ended, too.
func (g *Group) CPU() (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(g.dir.Name(), "cpu.stat"))
	if err != nil {
		return 0, err
	}
	rest, ok := bytes.CutPrefix(text, []byte("usage_usec "))
	if !ok {
		return 0, fmt.Errorf("%s/cpu.stat does not begin with usage_usec", g.dir.Name())
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	us, err := strconv.ParseInt(string(line), 10, 64)
	return time.Duration(us) * time.Microsecond, err
}

// Close removes the group; its processes must have ended.
func (g *Group) Close() error { return errors.Join(g.dir.Close(), os.Remove(g.dir.Name())) }

// Softirq is the CPU time that the kernel's own threads took for packets that it did
// not come to while it ran a process. The scheduler counts it in nanoseconds.
func Softirq() (time.Duration, error) {
	threads, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, comm := range threads {
		name, err := os.ReadFile(comm)
		if err != nil || !bytes.HasPrefix(name, []byte("ksoftirqd/")) {
			continue // a process that ended just now
		}
		text, err := os.ReadFile(filepath.Join(filepath.Dir(comm), "schedstat"))
		if err != nil {
			return 0, err
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}
