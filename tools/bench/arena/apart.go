package arena

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"spoolgate/tools/lab/netns"
)

// Wiring is how the nodes are joined to the box.
type Wiring string

const (
	// Together they are one machine with many addresses.
	Together Wiring = ""
	// Switched they are machines of their own behind a switch: the box does not see
	// whether their cables are in.
	Switched Wiring = "behind a switch"
	// Cabled they are machines of their own, each at a port of the box.
	Cabled Wiring = "at the box"
)

// Failure is how a node fails.
type Failure string

const (
	// Killed is a service whose process is killed: the node's kernel says so.
	Killed Failure = "killed service"
	// PoweredOff is a node that answers nothing any more, not even for its address.
	PoweredOff Failure = "powered-off node"
	// CutAtSwitch and CutAtBox are nodes that live on behind a cable that is out.
	CutAtSwitch Failure = "cut cable at a switch"
	CutAtBox    Failure = "cut cable at the box"
)

// Failures are all.
func Failures() []Failure { return []Failure{Killed, PoweredOff, CutAtSwitch, CutAtBox} }

// Wiring is the one in which a node can fail that way.
func (f Failure) Wiring() Wiring {
	if f == CutAtBox {
		return Cabled
	}
	return Switched
}

// machine is a node with a namespace of its own.
type machine struct {
	space  *netns.Namespace
	server *exec.Cmd
}

// gateway is the box's address towards the nodes.
var gateway = netip.MustParseAddr("198.19.254.1")

// nodeLink is the interface towards the nodes, of the box and of a machine.
const nodeLink, machineLink = "nodes", "eth0"

// wireApart makes the nodes' machines and joins them to the box. The namespace that
// they share otherwise is the switch.
func (a *Arena) wireApart() error {
	var ports []string
	for i := range a.Nodes {
		space, err := netns.New()
		if err != nil {
			return err
		}
		a.machines = append(a.machines, machine{space: space})
		port := fmt.Sprintf("node%d", i)
		ports = append(ports, port)
		at := a.nodes
		if a.Wiring == Cabled {
			at = a.box
		}
		for _, err := range []error{
			netns.Pair(space, machineLink, at, port),
			space.Address(machineLink, netip.PrefixFrom(Node(i), 24)),
			space.Route(everywhere, gateway),
		} {
			if err != nil {
				return err
			}
		}
	}
	if a.Wiring == Switched {
		return errors.Join(
			netns.Pair(a.box, nodeLink, a.nodes, "box"),
			a.box.Address(nodeLink, netip.PrefixFrom(gateway, 24)),
			a.nodes.Bridge("switch", append(ports, "box")...))
	}
	for i, port := range ports {
		if err := a.box.Address(port, netip.PrefixFrom(gateway, 32)); err != nil {
			return err
		}
		if _, err := a.box.Output("ip", "route", "add", Node(i).String(), "dev", port, "src", gateway.String()); err != nil {
			return err
		}
	}
	return nil
}

// serveApart starts a server on each machine.
func (a *Arena) serveApart(ctx context.Context) (err error) {
	for i := range a.machines {
		if a.machines[i].server, err = a.startBench(ctx, a.machines[i].space, a.serve, "serve", Server()); err != nil {
			return err
		}
	}
	return nil
}

// Fail lets a node fail; the nodes must be wired for it.
func (a *Arena) Fail(f Failure, address netip.Addr) error {
	node := slices.Index(a.NodesOf(0), address)
	if node < 0 {
		return fmt.Errorf("%s is no node", address)
	}
	m := a.machines[node]
	switch f {
	case Killed:
		return m.server.Process.Kill()
	case CutAtSwitch:
		return a.nodes.Down(fmt.Sprintf("node%d", node))
	default: // power and carrier go with the machine's end
		return m.space.Down(machineLink)
	}
}

// Silence lets a node of those that are wired together hear nothing any more.
func (a *Arena) Silence(node netip.Addr) error {
	return a.rules(a.nodes, "silence.nft", fmt.Sprintf(`table ip silence {
		chain deaf {
			type filter hook prerouting priority raw;
			ip daddr %s drop
		}
	}`, node))
}

// Endure runs a part of the benchmark's own program in the clients' namespace,
// strikes the node that it names when it is ready, and reads what became of it.
func (a *Arena) Endure(ctx context.Context, part string, what any, strike func(node netip.Addr) error, result any) error {
	cmd, err := a.part(ctx, part, what)
	if err != nil {
		return err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: a.load.FD()}
	cmd.Stderr = a.Log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := a.clients.Start(cmd); err != nil {
		return err
	}
	says := bufio.NewReader(out)
	line, err := says.ReadString('\n') // one that ends before says why in its log
	if err == nil {
		var node netip.Addr
		if node, err = netip.ParseAddr(strings.TrimSpace(line)); err == nil {
			err = strike(node)
		}
	}
	text, readErr := io.ReadAll(says)
	if err := errors.Join(cmd.Wait(), err, readErr); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args[1:], " "), err)
	}
	return json.Unmarshal(text, result)
}
