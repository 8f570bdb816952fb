package arena

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"spoolgate/firmware/dataplane"
)

// Size is what a Spoolgate has become.
type Size struct {
	// Resident is the memory of balancerd, Heap the part of it that is in use, both in
	// bytes.
	Resident, Heap          int64
	Goroutines, Descriptors int
	// Elements are those of all sets and maps of the kernel's table, Bound those of
	// the map of clients.
	Elements, Bound int
	// Tracked are the connections that the kernel keeps an entry of, also for some
	// seconds after their ends.
	Tracked int
}

// Size is what the arena's Spoolgate is now.
func (a *Arena) Size(ctx context.Context) (s Size, err error) {
	pid := a.mids[0].Process.Pid
	kib, err := figure(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
	if err != nil {
		return s, err
	}
	s.Resident = kib << 10
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return s, err
	}
	s.Descriptors = len(open)
	p, err := a.Box().Process(ctx)
	if err != nil {
		return s, err
	}
	s.Heap, s.Goroutines = int64(p.Heap), int(p.Goroutines)
	if s.Elements, s.Bound, err = a.elements(); err != nil {
		return s, err
	}
	s.Tracked, err = a.tracked()
	return s, err
}

// elements counts what is in the sets and maps of the box's table.
func (a *Arena) elements() (all, bound int, _ error) {
	var text []byte
	err := a.box.Do(func() (err error) {
		// It warns of what it can't translate, beside the list.
		text, err = exec.Command("nft", "-j", "list", "table", "ip", dataplane.TableName).Output()
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("list the box's table: %w", err)
	}
	type set struct {
		Name string            `json:"name"`
		Elem []json.RawMessage `json:"elem"`
	}
	var list struct {
		NFTables []struct{ Set, Map *set } `json:"nftables"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return 0, 0, fmt.Errorf("what nft lists of the box's table: %w", err)
	}
	for _, object := range list.NFTables {
		for _, s := range []*set{object.Set, object.Map} {
			if s == nil {
				continue
			}
			if all += len(s.Elem); s.Name == "clients" {
				bound = len(s.Elem)
			}
		}
	}
	return all, bound, nil
}

func (a *Arena) tracked() (n int, err error) {
	err = a.box.Do(func() error {
		text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
		if err == nil {
			n, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err
	})
	return n, err
}
