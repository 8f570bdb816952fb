package guest

import (
	"context"
	"fmt"
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

// Ways are a router, for comparison, and the balancer's two modes.
func Ways() []Way {
	return []Way{
		{Contestant: arena.Contestant{Name: "routing", Target: arena.Node(0)}, mode: "transparent", Plain: true},
		{Contestant: arena.Contestant{Name: "Spoolgate transparent", Target: arena.VIP, Sticky: true}, mode: "transparent"},
		{Contestant: arena.Contestant{Name: "Spoolgate masked", Target: arena.VIP, Sticky: true, Masked: true}, mode: "masked"},
	}
}

// routeOnly makes a router of the box: its balancer ends, and the table goes. What
// the kernel is told by netd stays as it is.
func (g *Guest) routeOnly(ctx context.Context) error {
	services, err := g.Services(ctx)
	if err != nil {
		return err
	}
	for _, d := range services.Services {
		if d.Name != "balancerd" {
			continue
		}
		// Init says on the same console that it can't start what is away.
		out, err := g.Run(ctx, fmt.Sprintf("mv /bin/balancerd /bin/away && kill -9 %d && cp /data/bench /bin/bench && chmod 755 /bin/bench && /bin/bench route && echo rou''ted", d.PID))
		if err == nil && !strings.Contains(out, "routed") {
			err = fmt.Errorf("make a router of the box: %s", out)
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
