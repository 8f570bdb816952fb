package network

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"spoolgate/firmware/api"
)

func (n *Network) snapshot() api.Network {
	s := api.Network{Time: time.Now(), DNS: n.dns()}
	for _, p := range n.ports {
		s.Interfaces = append(s.Interfaces, p.status())
		for _, a := range p.virtual {
			s.VirtualAddresses = append(s.VirtualAddresses, api.VirtualAddress{Group: a.group, Address: a.prefix.Addr(), Hold: a.hold})
		}
	}
	return s
}

func (p *port) status() api.Interface {
	s := api.Interface{
		Role: p.role, Name: p.base, Disabled: p.config.Disabled, Carrier: p.carrier, DHCP: p.config.DHCP() && !p.shared,
		Gateway: p.gateway(), Trouble: p.trouble, Since: p.since,
	}
	if p.link != nil {
		s.Name, s.MAC = p.link.Attrs().Name, p.link.Attrs().HardwareAddr.String()
		s.Speed = speed(p.base)
	}
	for _, a := range p.own {
		s.Address = append(s.Address, api.AddressOfBox{Prefix: a.prefix, Hold: a.hold})
	}
	if p.terms.prefix.IsValid() {
		lease := p.terms.lease
		s.Lease = &lease
	}
	return s
}

// speed is what the PHY agreed on, in Mbit/s; 0 for links that have none.
func speed(link string) int {
	text, err := os.ReadFile(filepath.Join("/sys/class/net", link, "speed"))
	if err != nil {
		return 0
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return max(v, 0)
}

func (a *address) set(state api.HoldState, holder, reason string) (changed bool) {
	if a.hold.State == state && a.hold.Holder == holder && a.hold.Reason == reason {
		return false
	}
	a.hold = api.Hold{State: state, Holder: holder, Reason: reason, Since: time.Now()}
	return true
}

// missing says that the machine lacks the interface, and which ones it has.
func missing(name string, names []string) string {
	slices.Sort(names)
	return fmt.Sprintf("there is no network interface %q; this machine has %s", name, strings.Join(names, ", "))
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(v) // an error here is a client that went away
}
