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

// judgeAddresses is the verdict when MFDs do not even reach the box, because a
// virtual address is not held: nodes that serve are of no use to them then.
func judgeAddresses(v view) (out verdict, barred bool) {
	if v.Network == nil {
		return out, false
	}
	lost := 0
	for _, a := range v.Network.VirtualAddresses {
		if a.State != api.Conflict && a.State != api.Waiting {
			continue
		}
		lost++
		if out.Since.Before(a.Since) {
			out.Since = a.Since
		}
		if out.Reason != "" {
			out.Reason += " "
		}
		out.Reason += fmt.Sprintf("MFDs of %s do not reach the box at %s: %s", a.Group, a.Address, strings.TrimSuffix(a.Reason, ".")+".")
	}
	out.State, out.Tone, out.Sentence = "Not reachable", "bad", "Nobody can print."
	if lost < len(v.Balancer.Groups) {
		out.Sentence = "Some people can't print."
	}
	return out, lost > 0
}

// notes are the troubles of the box beside those of its nodes, worst first.
func notes(v view) (out []string) {
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
