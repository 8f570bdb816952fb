// Package vlan makes 802.1Q interfaces. Both netd, which gives them addresses,
// and init, which binds the web UI to one before netd runs, need the same.
package vlan

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Alias marks the interfaces that this box made, in the kernel itself.
const Alias = "spoolgate"

// Ensure returns the 802.1Q interface of parent with a tag of 1 to 4094, made
// if it is not there.
func Ensure(parent netlink.Link, tag int) (netlink.Link, error) {
	name := fmt.Sprintf("%s.%d", parent.Attrs().Name, tag)
	if l, err := netlink.LinkByName(name); err == nil {
		return l, nil
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = name, parent.Attrs().Index
	l := &netlink.Vlan{LinkAttrs: attrs, VlanId: tag, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}
	if err := netlink.LinkAdd(l); err != nil {
		return nil, fmt.Errorf("add VLAN %d on %s: %w", tag, parent.Attrs().Name, err)
	}
	if err := netlink.LinkSetAlias(l, Alias); err != nil {
		return nil, fmt.Errorf("name VLAN %s: %w", name, err)
	}
	return netlink.LinkByName(name)
}
