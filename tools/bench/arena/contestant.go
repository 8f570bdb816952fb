package arena

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// Contestant is what stands between clients and nodes.
type Contestant struct {
	Name string
	// Target is the address that its clients connect to.
	Target netip.Addr
	// Sticky contestants keep a client on its node; Masked ones hide it from the
	// node.
	Sticky, Masked bool
	// Proxy contestants hold each connection in a process of their own.
	Proxy bool
	// Moving contestants take the clients of a node that fails to another; Cutting
	// ones end its connections.
	Moving, Cutting bool
	// Ours are Spoolgate, whom Arena.Box can ask.
	Ours  bool
	start func(context.Context, *Arena) error
}

// Contestants are what a user would pick, each as its makers would set it up for
// this job.
func Contestants() []Contestant {
	return []Contestant{
		{Name: "direct", Target: Node(0)},
		{Name: "DNAT", Target: VIP, start: translate("")},
		{Name: "DNAT+SNAT", Target: VIP, Masked: true, start: translate(fmt.Sprintf(`
			chain post {
				type nat hook postrouting priority 100;
				ip daddr %s snat to %s
			}`, Node(0), VIP))},
		{Name: "Spoolgate transparent", Target: VIP, Sticky: true, Ours: true, start: spoolgate("transparent")},
		Masked(),
		{Name: "HAProxy", Target: VIP, Sticky: true, Masked: true, Proxy: true, start: haproxy(care{})},
		{Name: "nginx", Target: VIP, Sticky: true, Masked: true, Proxy: true, start: nginx},
	}
}

// closedTimeout is what Spoolgate sets, too: the default of 120 s fills the kernel's
// table of connections within a run.
const closedTimeout = "10"

// translate is one node behind one rule of nftables: the least that passes a
// virtual address on.
func translate(masking string) func(context.Context, *Arena) error {
	return func(ctx context.Context, a *Arena) error {
		if err := a.rules(a.box, "rules.nft", fmt.Sprintf(`table ip static {
			chain pre {
				type nat hook prerouting priority -100;
				ip daddr %s tcp dport { 21, 5011-5025 } dnat to %s
			}
			ct helper ftp { type "ftp" protocol tcp; }
			chain help {
				type filter hook prerouting priority -150;
				ip daddr %s tcp dport 21 ct helper set "ftp"
			}
			%s
		}`, VIP, Node(0), VIP, masking)); err != nil {
			return err
		}
		return a.box.Sysctl("net/netfilter/nf_conntrack_tcp_timeout_time_wait", closedTimeout)
	}
}

// nginx keeps a client on its node by a hash of its address. With buffers of 64 KiB in place
// of 16 it carries a third more at less CPU, and its short connections are no dearer.
func nginx(ctx context.Context, a *Arena) error {
	var shares, listens []string
	for i := range a.Nodes {
		share := "*"
		if i < a.Nodes-1 {
			share = fmt.Sprintf("%.2f%%", 100/float64(a.Nodes))
		}
		shares = append(shares, fmt.Sprintf("    %s %s;", share, Node(i)))
	}
	for _, p := range proxied() {
		listens = append(listens, fmt.Sprintf("    listen %s:%s reuseport backlog=4096;", VIP, p))
	}
	config, err := a.file("nginx.conf", fmt.Sprintf(`load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes auto;
pid %s/nginx.pid;
error_log stderr warn;
events { worker_connections 19000; }
stream {
  split_clients $remote_addr $node {
%s
  }
  server {
%s
    proxy_pass $node:$server_port;
    proxy_connect_timeout 5s;
    proxy_timeout 31m;
    proxy_half_close on;
    proxy_buffer_size 64k;
    tcp_nodelay on;
  }
}
`, a.dir, strings.Join(shares, "\n"), strings.Join(listens, "\n")))
	if err != nil {
		return err
	}
	if err := a.manyPorts(); err != nil {
		return err
	}
	return a.start(a.box, a.mid, exec.CommandContext(ctx, "nginx", "-c", config, "-e", "stderr"))
}

// ProxySettings are of the kernel, what guides to proxies advise: each connection to a
// node needs a port of the box, which stays taken for a minute after its end.
func ProxySettings() map[string]string {
	return map[string]string{"net/ipv4/ip_local_port_range": "1024 65535", "net/ipv4/tcp_tw_reuse": "1"}
}

func (a *Arena) manyPorts() error {
	var errs []error
	for name, value := range ProxySettings() {
		errs = append(errs, a.box.Sysctl(name, value))
	}
	return errors.Join(errs...)
}

// proxied are the ports that a proxy listens on.
func proxied() []string {
	return []string{"21", "5011-5025", fmt.Sprintf("%d-%d", firstPassive, lastPassive)}
}
