package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"spoolgate/hal"
)

// The names of the interfaces for everything that runs after init.
const (
	serviceNIC    = "service"
	managementNIC = "management"
)

// nicPatience is how long a boot waits for interfaces that a driver may still
// be bringing up.
const nicPatience = 3 * time.Second

// nameNICs starts the loopback and names the interfaces after their role.
func (b *box) nameNICs() error {
	if b.report.boot.Board == "" {
		return errors.New("an unknown board has unknown interfaces")
	}
	if lo, err := netlink.LinkByName("lo"); err != nil {
		return fmt.Errorf("lo: %w", err)
	} else if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	for end := time.Now().Add(nicPatience); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if b.nics, err = b.nameThem(); err != nil {
			return err
		}
		if b.nics.Service != "" && b.nics.Management != "" {
			return nil
		}
		if time.Now().After(end) {
			break
		}
	}
	go b.guard("late interfaces", b.awaitNICs(b.nics))
	if b.nics.Service == "" {
		return errors.New("the interface towards MFDs and nodes did not come up")
	}
	b.log.Warn("no interface for management: the service interface serves for both")
	return nil
}

// nameThem finds the interfaces and gives them their names.
func (b *box) nameThem() (hal.NICs, error) {
	found, err := hal.FindNICs(os.DirFS("/sys").(fs.ReadLinkFS), b.board)
	if err != nil {
		return hal.NICs{}, err
	}
	for _, n := range []struct{ have, want string }{
		{found.Service, serviceNIC}, {found.Management, managementNIC},
	} {
		if n.have == "" || n.have == n.want {
			continue
		}
		link, err := netlink.LinkByName(n.have)
		if err != nil {
			return hal.NICs{}, fmt.Errorf("interface %s: %w", n.have, err)
		}
		// EBUSY: somebody has it up already.
		if err := netlink.LinkSetName(link, n.want); err != nil && !errors.Is(err, unix.EBUSY) {
			return hal.NICs{}, fmt.Errorf("name interface %s %s: %w", n.have, n.want, err)
		}
	}
	return found, nil
}

// awaitNICs names an interface that comes late.
func (b *box) awaitNICs(known hal.NICs) func() {
	return func() {
		for range time.Tick(3 * time.Second) {
			found, err := b.nameThem()
			if err != nil {
				b.log.Error("look for interfaces", "error", err)
				continue
			}
			if (found.Service != "") != (known.Service != "") || (found.Management != "") != (known.Management != "") {
				b.log.Info("interfaces changed", "service", found.Service, "management", found.Management)
			}
			known = found
			if found.Service != "" && found.Management != "" {
				return
			}
		}
	}
}
