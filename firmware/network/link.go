package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"spoolgate/firmware/network/vlan"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// What netd put on an interface carries its mark, in the kernel itself: the next
// run knows its own by it and leaves the rest alone. The label of an address has at
// most 15 characters, as many as the name "management.4094" alone: beginning it
// with the interface's name, as ifconfig's aliases do, would leave no room. The
// kernel asks for nothing but the length.
const (
	ownLabel     = "spoolgate:own"
	virtualLabel = "spoolgate:vip"
	routeOwner   = netlink.RouteProtocol(83) // of /etc/iproute2/rt_protos, a free number
)

// sysctls of each interface. arp_ignore and arp_announce keep a virtual address
// answered on its own interface alone; send_redirects keeps a box with one arm from
// telling MFDs to go to a node directly; rp_filter is loose as ways back may differ;
// a route over an unplugged cable is no route, which health tells from a dead node.
var sysctls = map[string]string{
	"arp_ignore":                  "1",
	"arp_announce":                "2",
	"send_redirects":              "0",
	"rp_filter":                   "2",
	"ignore_routes_with_linkdown": "1",
}

func tune(link string) error {
	var errs []error
	for key, value := range sysctls {
		errs = append(errs, setSysctl(link, key, value))
	}
	// The kernel redirects when "all" or the interface says so.
	return errors.Join(append(errs, setSysctl("all", "send_redirects", "0"))...)
}

func setSysctl(link, key, value string) error {
	path := filepath.Join("/proc/sys/net/ipv4/conf", link, key)
	if old, err := os.ReadFile(path); err == nil && string(old) == value+"\n" {
		return nil
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("set %s of %s: %w", key, link, err)
	}
	return nil
}

// dropVLANs removes VLAN interfaces of an earlier configuration.
func dropVLANs(wanted []string) error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	var errs []error
	for _, l := range links {
		if a := l.Attrs(); l.Type() == "vlan" && a.Alias == vlan.Alias && !slices.Contains(wanted, a.Name) {
			if err := netlink.LinkDel(l); err != nil {
				errs = append(errs, fmt.Errorf("remove VLAN interface %s: %w", a.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// put gives a link an address; it runs out by itself at expires, unless that is
// zero. A daemon that died cannot keep an address whose lease ended.
func put(l netlink.Link, p netip.Prefix, label string, expires time.Time) error {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is4() {
		a.Label = label // IPv6 addresses have none
	}
	if !expires.IsZero() {
		a.ValidLft = max(int(time.Until(expires).Seconds()), 1)
		a.PreferedLft = a.ValidLft
	}
	if err := netlink.AddrReplace(l, a); err != nil {
		return fmt.Errorf("add %s to %s: %w", p, l.Attrs().Name, err)
	}
	return nil
}

func take(l netlink.Link, p netip.Prefix) error {
	if err := netlink.AddrDel(l, &netlink.Addr{IPNet: ipNet(p)}); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("remove %s from %s: %w", p, l.Attrs().Name, err)
	}
	return nil
}

// owned lists the addresses that this or an earlier run put on a link.
func owned(l netlink.Link, label string) ([]netip.Prefix, error) {
	all, err := netlink.AddrList(l, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", l.Attrs().Name, err)
	}
	var ours []netip.Prefix
	for _, a := range all {
		ip, ok := netip.AddrFromSlice(a.IP.To4())
		ones, _ := a.Mask.Size()
		if ok && a.Label == label {
			ours = append(ours, netip.PrefixFrom(ip, ones))
		}
	}
	return ours, nil
}

// defaultRoute leads out over gateway from source, and replaces the one that this
// or an earlier run made there; an invalid gateway only removes that.
func defaultRoute(l netlink.Link, gateway, source netip.Addr, metric int) error {
	old, err := netlink.RouteListFiltered(netlink.FAMILY_V4,
		&netlink.Route{LinkIndex: l.Attrs().Index, Protocol: routeOwner}, netlink.RT_FILTER_OIF|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list routes over %s: %w", l.Attrs().Name, err)
	}
	if gateway.IsValid() {
		r := &netlink.Route{
			LinkIndex: l.Attrs().Index, Dst: ipNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), Gw: gateway.AsSlice(),
			Src: source.AsSlice(), Priority: metric, Protocol: routeOwner,
		}
		if err := netlink.RouteReplace(r); err != nil {
			return fmt.Errorf("default route over %s, gateway %s: %w", l.Attrs().Name, gateway, err)
		}
	}
	for _, r := range old {
		if gateway.IsValid() && r.Priority == metric {
			continue // that one was replaced
		}
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove a default route over %s: %w", l.Attrs().Name, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
