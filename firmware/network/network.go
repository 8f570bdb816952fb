// Package network gives the box its addresses: static and DHCP ones of the service
// and the management interface, VLANs, default routes, and the virtual address of
// each group, with a duplicate-address check before and gratuitous ARP after.
//
// It adopts what an earlier run left on the interfaces and never flushes them, so
// that a restart of netd is not seen by anybody. The neighbours on the wire are not
// trusted to be right, only to answer ARP honestly.
package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/vishvananda/netlink"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/config"
)

// lookAgain is how often links are looked at without a message from the kernel,
// which drops messages when it is in a hurry.
const lookAgain = 5 * time.Second

// Roles names the network interface of each function; an empty Management means
// that the board has none.
type Roles struct{ Service, Management string }

// Beats is the supervisor's side: package daemon's Notifier.
type Beats interface {
	Beat() <-chan time.Time
	Alive() error
	Ready(status string) error
	Status(status string) error
}

// Network is the box's own network. One goroutine, Run, owns all of it; workers
// and requests reach it by do.
type Network struct {
	config config.Config
	state  string
	log    *slog.Logger
	ports  []*port
	events chan func()
	ended  chan struct{} // Run returned
	resolv string        // last written
}

// New prepares the network of a configuration; state is the folder that
// resolv.conf is written to.
func New(c config.Config, roles Roles, state string, log *slog.Logger) *Network {
	n := &Network{config: c, state: state, log: log, events: make(chan func()), ended: make(chan struct{})}
	service := &port{net: n, role: "service", base: roles.Service, config: c.Service, metric: 100}
	for _, g := range c.Groups {
		service.virtual = append(service.virtual, &address{
			group: g.Name, label: virtualLabel, prefix: netip.PrefixFrom(g.VirtualAddress, g.VirtualAddress.BitLen()),
		})
	}
	management := &port{net: n, role: "management", base: roles.Management, config: c.Management, metric: 200}
	if roles.Management == "" {
		management.base = roles.Service
		management.shared = c.Management.VLAN == 0
	}
	n.ports = []*port{service, management}
	return n
}

// Run works until ctx ends, once; then it leaves all addresses in place.
func (n *Network) Run(ctx context.Context, beats Beats) error {
	defer close(n.ended)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	links := make(chan netlink.LinkUpdate, 64)
	done := make(chan struct{})
	defer close(done)
	if err := netlink.LinkSubscribe(links, done); err != nil {
		return fmt.Errorf("listen to the kernel's links: %w", err)
	}
	addresses := make(chan netlink.AddrUpdate, 64)
	if err := netlink.AddrSubscribe(addresses, done); err != nil {
		return fmt.Errorf("listen to the kernel's addresses: %w", err)
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	n.look(ctx)
	if err := beats.Ready(n.sentence()); err != nil {
		n.log.Warn("cannot notify", "err", err)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-links:
			if !ok {
				return errors.New("the kernel ended the messages on links")
			}
			n.look(ctx)
		case a, ok := <-addresses:
			if !ok {
				return errors.New("the kernel ended the messages on addresses")
			}
			if !a.NewAddr {
				n.look(ctx) // an interface that goes takes its addresses along
			}
		case <-tick.C:
			n.look(ctx)
		case f := <-n.events:
			f()
		case <-beats.Beat():
			if err := beats.Alive(); err != nil {
				n.log.Warn("cannot notify", "err", err)
			}
		}
		n.report(beats)
	}
}

// do runs f on the goroutine that owns the network.
func (n *Network) do(ctx context.Context, f func()) {
	select {
	case n.events <- f:
	case <-ctx.Done():
	case <-n.ended:
	}
}

func (n *Network) look(ctx context.Context) {
	var vlans []string
	for _, p := range n.ports {
		p.look(ctx)
		if p.link != nil && p.config.VLAN != 0 {
			vlans = append(vlans, p.link.Attrs().Name)
		}
	}
	if err := dropVLANs(vlans); err != nil {
		n.log.Warn("old VLAN stays", "err", err)
	}
	for _, p := range n.ports {
		p.restore()
		p.sweep()
	}
}

func (n *Network) report(beats Beats) {
	if err := beats.Status(n.sentence()); err != nil {
		n.log.Warn("cannot notify", "err", err)
	}
	if err := n.writeResolv(); err != nil {
		n.log.Warn("resolvers are not written", "err", err)
	}
}

func (n *Network) sentence() string {
	var parts []string
	for _, p := range n.ports {
		s := p.status()
		switch {
		case s.Disabled:
			continue
		case s.Trouble != "":
			parts = append(parts, p.role+": "+s.Trouble)
			continue
		}
		for _, a := range s.Address {
			parts = append(parts, fmt.Sprintf("%s %s %s", p.role, a.Prefix, a.State))
		}
		for _, a := range p.virtual {
			parts = append(parts, fmt.Sprintf("virtual address %s %s", a.prefix.Addr(), a.hold.State))
		}
	}
	return strings.Join(parts, "; ")
}

func (n *Network) dns() (all []netip.Addr) {
	for _, p := range n.ports {
		for _, d := range append(slices.Clone(p.config.DNS), p.terms.dns...) {
			if !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return all
}

func (n *Network) writeResolv() error {
	var text strings.Builder
	for _, d := range n.dns() {
		fmt.Fprintln(&text, "nameserver", d)
	}
	if n.state == "" || text.String() == n.resolv {
		return nil
	}
	path := filepath.Join(n.state, "resolv.conf")
	if old, err := os.ReadFile(path); err == nil && string(old) == text.String() {
		n.resolv = text.String() // the folder may be flash
		return nil
	}
	if err := renameio.WriteFile(path, []byte(text.String()), 0o644, renameio.WithTempDir(n.state)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	n.resolv = text.String()
	return nil
}

// Handler serves GET /v1/network, of the type api.Network.
func (n *Network) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/network", func(w http.ResponseWriter, r *http.Request) {
		answer := make(chan api.Network, 1)
		n.do(r.Context(), func() { answer <- n.snapshot() })
		select {
		case s := <-answer:
			writeJSON(w, s)
		case <-r.Context().Done():
		case <-n.ended:
			wire.Answer(w, nil, replaced())
		}
	})
	return mux
}
