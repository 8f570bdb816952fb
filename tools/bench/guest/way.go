package guest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/nftables"

	"spoolgate/firmware/dataplane"
	"spoolgate/tools/bench/arena"
)

// Way is how connections come through the box.
type Way struct {
	arena.Contestant
	// Plain is a router: clients connect to a node's own address.
	Plain bool
	mode  string
}

// Ways are a router, for comparison, the balancer's two modes, and what a user would
// pick instead, on the same box.
func Ways() []Way {
	return []Way{
		{Contestant: arena.Contestant{Name: "routing", Target: arena.Node(0)}, mode: "transparent", Plain: true},
		{Contestant: arena.Contestant{Name: "Spoolgate transparent", Target: arena.VIP, Sticky: true}, mode: "transparent"},
		{Contestant: arena.Contestant{Name: "Spoolgate masked", Target: arena.VIP, Sticky: true, Masked: true}, mode: "masked"},
		{Contestant: arena.Contestant{Name: "HAProxy", Target: arena.VIP, Sticky: true, Masked: true, Proxy: true}, mode: "masked"},
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
		// Init says on the same console that it can't start what is away.
		out, err := g.Run(ctx, fmt.Sprintf("mv /bin/balancerd /bin/away && kill -9 %d && cp /data/bench /bin/bench && chmod 755 /bin/bench && /bin/bench %s && echo do''ne", d.PID, part))
		if err == nil && !strings.Contains(out, "done") {
			err = fmt.Errorf("have the box do something else, %s: %s", part, out)
		}
		return err
	}
	return fmt.Errorf("the box has no balancerd: %+v", services.Services)
}

// Route makes a plain router of the machine that it runs on, a box: without the
// table nobody asks for connections to be tracked.
func Route() error {
	c := &nftables.Conn{}
	c.DelTable(&nftables.Table{Name: dataplane.TableName, Family: nftables.TableFamilyIPv4})
	if err := c.Flush(); err != nil {
		return fmt.Errorf("remove table %s: %w", dataplane.TableName, err)
	}
	return nil
}

// Proxy starts HAProxy on the machine that it runs on, a box, and nothing is left of the
// balancer.
func Proxy() error {
	if err := Route(); err != nil {
		return err
	}
	const dir = "/proxy"
	if err := unpack("/data/"+proxyFile, dir); err != nil {
		return err
	}
	for name, value := range arena.ProxySettings() {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
			return err
		}
	}
	config := filepath.Join(dir, "haproxy.cfg")
	check := fmt.Sprintf("check port %d inter 5s fall 3", arena.CheckPorts[0])
	if err := os.WriteFile(config, []byte(arena.HAProxy(1, Nodes, check, "")), 0o644); err != nil {
		return err
	}
	start := exec.Command(filepath.Join(dir, "ld-linux-aarch64.so.1"), "--library-path", dir, filepath.Join(dir, "haproxy"), "-D", "-f", config)
	if said, err := start.CombinedOutput(); err != nil {
		return fmt.Errorf("start HAProxy: %w: %s", err, said)
	}
	return nil
}
