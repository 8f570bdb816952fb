package arena

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/dataplane"
	"spoolgate/tools/bench/load"
)

// Masked is Spoolgate as it is without further configuration: it hides the clients.
func Masked() Contestant {
	return Contestant{Name: "Spoolgate masked", Target: VIP, Sticky: true, Masked: true, Moving: true, Cutting: true, Ours: true, start: spoolgate("masked")}
}

// spoolgate is the box's balancerd, with the requirement's own checks.
func spoolgate(mode string) func(context.Context, *Arena) error {
	return func(ctx context.Context, a *Arena) error {
		config, err := a.file("config.toml", a.configuration(mode))
		if err != nil {
			return err
		}
		state := filepath.Join(a.dir, "state")
		if a.Bindings > 0 {
			if err := a.remember(state); err != nil {
				return err
			}
		}
		return a.start(a.box, a.mid, exec.CommandContext(ctx, a.Balancerd, "-config", config, "-state", state, "-socket", a.socket(),
			"-services", "", "-netd", filepath.Join(a.dir, "netd.sock"), "-reportd", filepath.Join(a.dir, "reportd.sock"), "-key", filepath.Join(a.dir, "box.key")))
	}
}

func (a *Arena) configuration(mode string) string {
	var b strings.Builder
	for g := range max(a.Groups, 1) {
		var nodes []string
		for i, n := range a.NodesOf(g) {
			nodes = append(nodes, fmt.Sprintf("{ name = \"N%d\", address = %q }", i+1, n))
		}
		fmt.Fprintf(&b, "[[group]]\nname = \"g%d\"\nvirtual_address = %q\nmode = %q\nnode = [%s]\n[group.checks]\ninterval = %q\ntimeout = %q\n",
			g+1, Group(g), mode, strings.Join(nodes, ", "), a.interval(), a.checkTimeout())
	}
	return b.String()
}

// NodesOf are the nodes of a group.
func (a *Arena) NodesOf(group int) (nodes []netip.Addr) {
	each := a.Nodes / max(a.Groups, 1)
	for i := range each {
		nodes = append(nodes, Node(group*each+i))
	}
	return nodes
}

// Window is how long a client stays bound after its last connection.
const Window = 30 * time.Minute

// MostBindings of Options.Bindings are of addresses that no client has. More are those of
// clients, too, which are known then, but for the first Strangers.
const (
	MostBindings = 127 << 8
	Strangers    = 96 << 8
)

// remember writes the journal of a box whose first group had that many clients when
// its power was cut.
func (a *Arena) remember(dir string) error {
	j, err := dataplane.OpenJournal(dir)
	if err != nil {
		return err
	}
	now, nodes := time.Now(), a.NodesOf(0)
	r := dataplane.Record{Written: now}
	client := netip.MustParseAddr("198.18.1.0")
	for i := range a.Bindings {
		left := Window
		if a.Aged { // and none of them ends while the box begins
			left = max(10*time.Second, Window*time.Duration(i+1)/time.Duration(a.Bindings))
		}
		r.Entries = append(r.Entries, dataplane.Entry{VirtualAddress: VIP, Client: client, Node: nodes[i%len(nodes)], Left: left, Since: now})
		if client = client.Next(); client == load.Client(0) {
			client = load.Client(Strangers)
		}
	}
	return j.Save(r)
}

func (a *Arena) socket() string { return filepath.Join(a.dir, "balancerd.sock") }

// Box asks a Spoolgate of the arena.
func (a *Arena) Box() *wire.Client { return a.client }
