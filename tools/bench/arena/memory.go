package arena

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"spoolgate/tools/bench/load"
)

// Memory is what something takes, in bytes.
type Memory struct {
	// Box is that of the contestant's own processes, shared pages by share.
	Box int64
	// Kernel is that of the whole machine's kernel objects: sockets of both ends,
	// too, and of everything else that runs.
	Kernel int64
}

// Memory is what is taken now.
func (a *Arena) Memory() (Memory, error) {
	var m Memory
	for _, cmd := range a.mids {
		pids, err := family(cmd.Process.Pid)
		if err != nil {
			return m, err
		}
		for _, pid := range pids {
			kib, err := figure(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
			if err != nil {
				return m, err
			}
			m.Box += kib << 10
		}
	}
	kib, err := figure("/proc/meminfo", "Slab:")
	m.Kernel = kib << 10
	return m, err
}

// family are a process and its children.
func family(pid int) ([]int, error) {
	all := []int{pid}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		for _, child := range strings.Fields(string(text)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				return nil, err
			}
			all = append(all, n)
		}
	}
	return all, nil
}

// figure is the number behind a word at the beginning of a line.
func figure(path, word string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == word {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, word)
}

// perProcess is how many connections one process of the benchmark holds: as many
// descriptors as every machine lets it have.
const perProcess = 16000

// IdleClients is how many clients hold idle connections.
const IdleClients = 5000

// Hold opens idle connections, up to count if held stand already, and holds them
// until the arena closes.
func (a *Arena) Hold(ctx context.Context, c Contestant, held, count int) error {
	// The nodes need as many descriptors. They share the ports.
	for have := max(held, perProcess); have < count; have += perProcess {
		if err := a.serveMore(ctx); err != nil {
			return err
		}
	}
	for first := held; first < count; first += perProcess {
		idle := load.Idle{To: c.Target, Ports: AskPorts, Clients: IdleClients, Count: min(perProcess, count-first)}
		if _, err := a.startBench(ctx, a.clients, a.load, "idle", idle); err != nil {
			return err
		}
	}
	return nil
}

// Settled is what is taken when the contestant has heard of everything: when its
// processes use next to no CPU for so long. It waits a minute at most.
func (a *Arena) Settled(ctx context.Context, quiet time.Duration) (Memory, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the box's processes do not come to rest"))
	defer cancel()
	last, err := a.mid.CPU()
	if err != nil {
		return Memory{}, err
	}
	for {
		select {
		case <-ctx.Done():
			return Memory{}, context.Cause(ctx)
		case <-time.After(quiet):
		}
		now, err := a.mid.CPU()
		if err != nil {
			return Memory{}, err
		}
		if now-last < quiet/20 {
			return a.Memory()
		}
		last = now
	}
}
