package main

import (
	"fmt"

	"github.com/vishvananda/netlink"

	"spoolgate/firmware/config"
	"spoolgate/firmware/network/vlan"
)

// webDevice is the interface that people come in by; the web UI hears no
// other, not even before netd has given it an address. In a VLAN it is made
// here, as a socket can be bound only to what is there; netd takes it over. A
// VLAN that changes later counts for the web UI from the next start on.
func (b *box) webDevice() (string, error) {
	device := managementNIC
	if b.nics.Management == "" && b.nics.Service != "" {
		device = serviceNIC
	}
	// A wrong configuration is the daemons' to tell.
	c, _ := config.File{Path: configPath, Kept: keptConfig, Limits: config.Required()}.Start()
	if c.Management.VLAN == 0 {
		return device, nil
	}
	parent, err := netlink.LinkByName(device)
	if err != nil {
		return device, fmt.Errorf("%s: %w", device, err)
	}
	l, err := vlan.Ensure(parent, c.Management.VLAN)
	if err != nil {
		return device, err
	}
	return l.Attrs().Name, nil
}
