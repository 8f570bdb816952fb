package guest

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"spoolgate/firmware/dataplane"
	"spoolgate/tools/bench/arena"
)

// Way is how connections come through the box.
type Way struct {
	arena.Contestant
	// mode is that of the balancer's group; part of the benchmark's own program follows
	// the balancer, where there is one.
	mode, part string
}

const (
	// routes has the box route only: clients connect to a node's own address.
	routes = "route"
	// flows has the kernel's flow tables pass connections on.
	flows = "dnat-flow"
)

// Ways are a router, static rules and flow tables, for comparison, the balancer's two
// modes, and what a user would pick instead, on the same box.
func Ways() []Way {
	return []Way{
		{Contestant: arena.Contestant{Name: "routing", Target: arena.Node(0)}, mode: "transparent", part: routes},
		{Contestant: arena.Contestant{Name: "DNAT", Target: arena.VIP}, mode: "transparent", part: "dnat"},
		{Contestant: arena.Contestant{Name: "DNAT+flow table", Target: arena.VIP}, mode: "transparent", part: flows},
		{Contestant: arena.Contestant{Name: "DNAT+SNAT", Target: arena.VIP, Masked: true}, mode: "masked", part: "dnat-snat"},
		{Contestant: arena.Contestant{Name: "Spoolgate transparent", Target: arena.VIP, Sticky: true}, mode: "transparent"},
		masked(),
		{Contestant: arena.Contestant{Name: "HAProxy", Target: arena.VIP, Sticky: true, Masked: true, Proxy: true}, mode: "masked", part: "proxy"},
	}
}

// masked is the box as it is without further configuration.
func masked() Way { return Way{Contestant: arena.Masked(), mode: "masked"} }

// Parts are those of the benchmark's own program that do the balancer's work on the
// machine they run on, a box, from which they remove what the balancer has left.
func Parts() map[string]func() error {
	return map[string]func() error{
		routes:      route,
		"dnat":      func() error { return translate(false) },
		flows:       offload,
		"dnat-snat": func() error { return translate(true) },
		"proxy":     proxy,
	}
}

// instead has the box do something else than balance: its balancer ends, and a part of
// the benchmark's own program follows it. What the kernel is told by netd stays as it is.
func (g *Guest) instead(ctx context.Context, part string) error {
	services, err := g.Services(ctx)
	if err != nil {
		return err
	}
	for _, d := range services.Services {
		if d.Name != "balancerd" {
			continue
		}
		out, err := g.Run(ctx, fmt.Sprintf("mv /bin/balancerd /bin/away && kill -9 %d && cp /data/bench /bin/bench && chmod 755 /bin/bench && /bin/bench %s && echo done", d.PID, part))
		if err == nil && !strings.Contains(out, "done") { // not every step went well
			err = fmt.Errorf("have the box do something else, %s: %s", part, out)
		}
		return err
	}
	return fmt.Errorf("the box has no balancerd: %+v", services.Services)
}

// route makes a plain router: without the table nobody asks for connections to be
// tracked. What it would be to track them is the kernel's own default again.
func route() error {
	c := &nftables.Conn{}
	c.DelTable(&nftables.Table{Name: dataplane.TableName, Family: nftables.TableFamilyIPv4})
	if err := c.Flush(); err != nil {
		return fmt.Errorf("remove table %s: %w", dataplane.TableName, err)
	}
	return set(map[string]string{
		"net/netfilter/nf_conntrack_acct": "0", "net/netfilter/nf_conntrack_timestamp": "0", "net/netfilter/nf_conntrack_events": "2",
		"net/ipv4/ip_early_demux": "1",
	})
}

func set(sysctls map[string]string) error {
	for name, value := range sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// translate passes the virtual address on to one node by one rule, and hides the clients
// by another.
func translate(masking bool) error {
	if err := route(); err != nil {
		return err
	}
	node, vip := arena.Node(0).AsSlice(), arena.VIP.AsSlice()
	c := &nftables.Conn{}
	table := c.AddTable(&nftables.Table{Name: "static", Family: nftables.TableFamilyIPv4})
	destination := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
	equals := func(b []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: b} }
	add := func(hook *nftables.ChainHook, priority *nftables.ChainPriority, exprs ...expr.Any) {
		chain := c.AddChain(&nftables.Chain{Name: fmt.Sprint("hook", *hook), Table: table, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: priority})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
	}
	first, last := arena.AskPorts[0], arena.SinkPort
	add(nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest,
		destination, equals(vip),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equals([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: binary.BigEndian.AppendUint16(nil, first), ToData: binary.BigEndian.AppendUint16(nil, last)},
		&expr.Immediate{Register: 1, Data: node},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1})
	if masking {
		add(nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource,
			destination, equals(node),
			&expr.Immediate{Register: 1, Data: vip},
			&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1})
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("add static rules: %w", err)
	}
	return nil
}

// proxy starts HAProxy.
func proxy() error {
	if err := route(); err != nil {
		return err
	}
	const dir = "/proxy"
	if err := unpack("/data/"+proxyFile, dir); err != nil {
		return err
	}
	if err := set(arena.ProxySettings()); err != nil {
		return err
	}
	config := filepath.Join(dir, "haproxy.cfg")
	check := fmt.Sprintf("check port %d inter 5s fall 3", arena.CheckPorts[0])
	if err := os.WriteFile(config, []byte(arena.HAProxy(runtime.NumCPU(), Nodes, check, "")), 0o644); err != nil {
		return err
	}
	start := exec.Command(filepath.Join(dir, "ld-linux-aarch64.so.1"), "--library-path", dir, filepath.Join(dir, "haproxy"), "-D", "-f", config)
	if said, err := start.CombinedOutput(); err != nil {
		return fmt.Errorf("start HAProxy: %w: %s", err, said)
	}
	return nil
}
