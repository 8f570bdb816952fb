package web

import (
	"fmt"
	"strings"

	"spoolgate/firmware/api"
)

// holdAxis says whether the box has the virtual address of a group.
func holdAxis(g api.Group, n *api.Network) axis {
	if n == nil {
		return axis{Word: "Not known", Reason: "Netd does not answer.", Shape: "square", Tone: "quiet"}
	}
	for _, a := range n.VirtualAddresses {
		if a.Address != g.VirtualAddress {
			continue
		}
		out := axis{Reason: sentence(a.Reason), Since: a.Since}
		switch a.State {
		case api.Held:
			out.Word, out.Shape, out.Tone = "Held by this box", "circle", "good"
		case api.Waiting:
			out.Word, out.Shape, out.Tone = "Not held yet", "triangle", "warn"
		case api.Conflict:
			out.Word, out.Shape, out.Tone = "Refused", "diamond", "bad"
		default:
			out.Word, out.Shape, out.Tone = "Disputed", "diamond", "bad"
		}
		return out
	}
	return axis{Word: "Not held", Reason: "Netd has not taken over this group yet.", Shape: "triangle", Tone: "warn"}
}

// notes are the troubles of the box beside those of its nodes, worst first.
func notes(v view) (out []string) {
	if v.Balancer != nil && v.Balancer.Box.Unused != "" {
		out = append(out, "The configuration that was written is not the one in use: "+v.Balancer.Box.Unused)
	}
	if v.Balancer != nil && v.Balancer.Box.Suspicion != "" {
		out = append(out, "It is probably this box and not the nodes: "+v.Balancer.Box.Suspicion+".")
	}
	if v.Network != nil {
		for _, a := range v.Network.VirtualAddresses {
			if a.State == api.Disputed {
				out = append(out, sentence(a.Reason))
			}
		}
		for _, i := range v.Network.Interfaces {
			out = append(out, interfaceNotes(i)...)
		}
	}
	if v.Services == nil {
		return out
	}
	for _, p := range v.Services.Boot.Problems {
		out = append(out, sentence(p))
	}
	for _, d := range v.Services.Services {
		if d.State != api.DaemonRunning && d.State != api.DaemonReloading {
			out = append(out, sentence(fmt.Sprintf("%s is %s: %s", d.Name, strings.ToLower(string(d.State)), d.Reason)))
		}
	}
	return out
}

func interfaceNotes(i api.Interface) (out []string) {
	name := "The " + i.Role + " interface " + i.Name
	switch {
	case i.Disabled:
		return nil
	case i.Trouble != "":
		out = append(out, name+": "+strings.TrimSuffix(i.Trouble, ".")+".")
	case !i.Carrier:
		out = append(out, name+" has no link: is the cable in, and the switch port on?")
	}
	held := false
	for _, a := range i.Address {
		held = held || a.State == api.Held || a.State == api.Disputed
		if a.State == api.Conflict || a.State == api.Disputed {
			out = append(out, sentence(a.Reason))
		}
	}
	if len(out) == 0 && !held {
		out = append(out, name+" has no address yet.")
	}
	return out
}
