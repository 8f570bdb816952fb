package netns

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Pair joins two namespaces by a cable: a veth pair, both ends up.
func Pair(a *Namespace, nameA string, b *Namespace, nameB string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = nameA
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: nameB, PeerNamespace: netlink.NsFd(b.file.Fd())}
	if err := a.handle.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth %s - %s: %w", nameA, nameB, err)
	}
	if err := a.Up(nameA); err != nil {
		return err
	}
	return b.Up(nameB)
}

// Bridge makes a bridge (a switch) and puts the named links into it. Give it a
// namespace of its own: where the kernel lets netfilter see bridged packets, a
// box with the bridge inside sends a redirected packet back into the bridge
// without routing it, and a node never reaches itself.
func (n *Namespace) Bridge(name string, ports ...string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := n.handle.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add bridge %s: %w", name, err)
	}
	for _, port := range ports {
		if err := n.Plug(port, name); err != nil {
			return err
		}
	}
	return n.Up(name)
}

// Plug puts a link into a bridge.
func (n *Namespace) Plug(link, bridge string) error {
	l, err := n.link(link)
	if err != nil {
		return err
	}
	b, err := n.link(bridge)
	if err != nil {
		return err
	}
	if err := n.handle.LinkSetMaster(l, b); err != nil {
		return fmt.Errorf("plug %s into %s: %w", link, bridge, err)
	}
	return nil
}

// Up sets a link up.
func (n *Namespace) Up(link string) error {
	l, err := n.link(link)
	if err != nil {
		return err
	}
	if err := n.handle.LinkSetUp(l); err != nil {
		return fmt.Errorf("set %s up: %w", link, err)
	}
	return nil
}

// Down sets a link down: the cable is pulled.
func (n *Namespace) Down(link string) error {
	l, err := n.link(link)
	if err != nil {
		return err
	}
	if err := n.handle.LinkSetDown(l); err != nil {
		return fmt.Errorf("set %s down: %w", link, err)
	}
	return nil
}

// Remove deletes a link; a cable goes with both of its ends.
func (n *Namespace) Remove(link string) error {
	l, err := n.link(link)
	if err != nil {
		return err
	}
	if err := n.handle.LinkDel(l); err != nil {
		return fmt.Errorf("remove %s: %w", link, err)
	}
	return nil
}

// MAC is the hardware address of a link.
func (n *Namespace) MAC(link string) (net.HardwareAddr, error) {
	l, err := n.link(link)
	if err != nil {
		return nil, err
	}
	return l.Attrs().HardwareAddr, nil
}

// SetMAC gives a link another hardware address.
func (n *Namespace) SetMAC(link string, mac net.HardwareAddr) error {
	l, err := n.link(link)
	if err != nil {
		return err
	}
	if err := n.handle.LinkSetHardwareAddr(l, mac); err != nil {
		return fmt.Errorf("hardware address %s of %s: %w", mac, link, err)
	}
	return nil
}

// Address gives a link addresses.
func (n *Namespace) Address(link string, prefixes ...netip.Prefix) error {
	l, err := n.link(link)
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		if err := n.handle.AddrAdd(l, &netlink.Addr{IPNet: ipNet(p)}); err != nil {
			return fmt.Errorf("address %s on %s: %w", p, link, err)
		}
	}
	return nil
}

// Route sends what goes to a prefix through a gateway; 0.0.0.0/0 is the
// default route.
func (n *Namespace) Route(to netip.Prefix, gateway netip.Addr) error {
	if err := n.handle.RouteReplace(&netlink.Route{Dst: ipNet(to), Gw: gateway.AsSlice()}); err != nil {
		return fmt.Errorf("route %s via %s: %w", to, gateway, err)
	}
	return nil
}

func (n *Namespace) link(name string) (netlink.Link, error) {
	l, err := n.handle.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	return l, nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
