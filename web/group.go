package web

import (
	"time"

	"spoolgate/firmware/api"
)

type group struct {
	api.Group
	Hold   axis // of the virtual address
	Tone   string
	Window string
	Seen   string
	Nodes  []node
}

type node struct {
	api.Node
	Tone            string
	Share           int // percent of the group's MFDs
	Health, Service axis
}

// axis is one of a node's two states, with its reason and since.
type axis struct {
	Word, Reason, Shape, Tone string
	Since                     time.Time
}

func newGroup(g api.Group, n *api.Network) group {
	out := group{Group: g, Hold: holdAxis(g, n), Tone: toneOf(g.State), Window: minutes(time.Duration(g.Affinity)), Seen: "seen by the nodes under their own addresses"}
	if g.Mode == "masked" {
		out.Seen = "seen by the nodes under the virtual address"
	}
	for _, n := range g.Nodes {
		one := node{Node: n, Health: healthAxis(n), Service: serviceAxis(n)}
		if g.Clients > 0 {
			one.Share = 100 * n.Clients / g.Clients
		}
		switch {
		case n.Serving:
			one.Tone = "good"
		case n.Health == api.Down:
			one.Tone = "bad"
		case n.Service != api.InService:
			one.Tone = "quiet"
		default:
			one.Tone = "warn"
		}
		out.Nodes = append(out.Nodes, one)
	}
	return out
}

func healthAxis(n api.Node) axis {
	a := axis{Word: string(n.Health), Reason: sentence(n.HealthReason), Since: n.HealthSince}
	switch n.Health {
	case api.Up:
		a.Shape, a.Tone = "circle", "good"
	case api.Checking, api.Starting:
		a.Shape, a.Tone = "triangle", "warn"
	case api.Down:
		a.Shape, a.Tone = "diamond", "bad"
	default:
		a.Shape, a.Tone = "square", "quiet"
	}
	return a
}

func serviceAxis(n api.Node) axis {
	a := axis{Word: string(n.Service), Reason: sentence(n.ServiceReason), Since: n.ServiceSince}
	switch n.Service {
	case api.InService:
		a.Shape, a.Tone = "circle", "good"
	case api.Draining:
		a.Shape, a.Tone = "triangle", "warn"
	default:
		a.Shape, a.Tone = "square", "quiet"
	}
	return a
}
