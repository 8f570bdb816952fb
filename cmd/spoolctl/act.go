package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"spoolgate/firmware/api"
)

// cutNode takes GROUP/NODE apart; group is empty where only NODE is written. Names of
// nothing, or of dots, would ask the balancer for another path.
func cutNode(written string) (group, node string, err error) {
	group, node, both := strings.Cut(written, "/")
	if !both {
		return "", written, nil
	}
	if strings.Trim(group, ".") == "" || strings.Trim(node, ".") == "" {
		return "", "", misunderstood{fmt.Errorf("%q is no node. Write it like A, or like print/A with the name of its group", written)}
	}
	return group, node, nil
}

// node finds the group and the name of the node that a person wrote.
func (c *call) node(ctx context.Context, written string) (group, node string, err error) {
	if group, node, err = cutNode(written); err != nil || group != "" {
		return group, node, err
	}
	s, err := c.Snapshot(ctx)
	if err != nil {
		return "", "", err
	}
	var all, in []string
	for _, g := range s.Groups {
		for _, n := range g.Nodes {
			if len(s.Groups) == 1 {
				all = append(all, n.Name)
			} else {
				all = append(all, g.Name+"/"+n.Name)
			}
			if strings.EqualFold(n.Name, written) {
				group, node = g.Name, n.Name
				in = append(in, g.Name+"/"+n.Name)
			}
		}
	}
	switch len(in) {
	case 0:
		return "", "", fmt.Errorf("there is no node %q. The nodes are %s", written, strings.Join(all, ", "))
	case 1:
		return group, node, nil
	}
	return "", "", fmt.Errorf("%q is a node of several groups. Say which: %s", written, strings.Join(in, ", "))
}

// mfd finds the group that an MFD is bound in.
func (c *call) mfd(ctx context.Context, written string) (string, netip.Addr, error) {
	a := netip.MustParseAddr(written) // isMFD has looked at it
	if c.group != "" {
		return c.group, a, nil
	}
	found, err := c.Clients(ctx, a.String())
	if err != nil {
		return "", a, err
	}
	switch len(found) {
	case 0:
		return "", a, fmt.Errorf("%s is not bound; it gets a node at its next connection", a)
	case 1:
		return found[0].Group, a, nil
	}
	return "", a, fmt.Errorf("%s is bound in several groups. Say which with -group NAME", a)
}

// done prints the answer to a request that changed something.
func (c *call) done(d api.Done, err error) error {
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(d)
	}
	fmt.Fprintln(c.out, d.Text+".")
	return nil
}

func test(ctx context.Context, c *call) error {
	group, node, err := c.node(ctx, c.args[0])
	if err != nil {
		return err
	}
	return c.done(c.ProbeNow(ctx, group, node))
}

// isVerb refuses a way to drain that there is not.
func isVerb(args []string) error {
	switch api.DrainVerb(args[1]) {
	case api.DrainGently, api.MoveNow, api.StopNow:
		return nil
	}
	return fmt.Errorf("%q is no way to drain. Use %s, %s or %s", args[1], api.DrainGently, api.MoveNow, api.StopNow)
}

func drain(ctx context.Context, c *call) error {
	group, node, err := c.node(ctx, c.args[0])
	if err != nil {
		return err
	}
	err = c.done(c.Drain(ctx, group, node, api.DrainRequest{Verb: api.DrainVerb(c.args[1]), Force: c.force}))
	if err != nil && strings.Contains(err.Error(), "by force") {
		return fmt.Errorf("%w (spoolctl drain %s %s -force)", err, c.args[0], c.args[1])
	}
	return err
}

func giveBack(ctx context.Context, c *call) error {
	group, node, err := c.node(ctx, c.args[0])
	if err != nil {
		return err
	}
	return c.done(c.Return(ctx, group, node))
}

func move(ctx context.Context, c *call) error {
	group, a, err := c.mfd(ctx, c.args[0])
	if err != nil {
		return err
	}
	to, node, err := cutNode(c.args[1])
	if err != nil {
		return err
	}
	if to != "" && !strings.EqualFold(to, group) {
		return fmt.Errorf("%s is bound in group %s, and %s is in another", a, group, c.args[1])
	}
	return c.done(c.Move(ctx, group, a, node))
}

func forget(ctx context.Context, c *call) error {
	group, a, err := c.mfd(ctx, c.args[0])
	if err != nil {
		return err
	}
	return c.done(c.Forget(ctx, group, a))
}
