package proof

import (
	"fmt"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/phrase"
)

// affinity needs MFDs that came again: one that came once shows nothing.
func (g Group) affinity() api.ProofItem {
	f := g.together()
	if n := g.sessions.again; n > 0 {
		f.shows("%s in which the MFD came again since %s, none to another node without a reason", phrase.Count(n, "session"), clock(g.Seen.Since))
	} else {
		f.lacks("no MFD has come twice since %s; do: let an MFD connect again within %v", clock(g.Seen.Since), g.Affinity)
	}
	if g.DNSName != "" {
		f.notes("look-ups of %s that renewed a window: %d", g.DNSName, g.Seen.lookUps)
	} else {
		f.notes("a look-up can't lead elsewhere: whatever the name, its address is %s", g.VirtualAddress)
	}
	return f.item(sentence{"affinity", failover,
		"it must connect the MFD to the same SPOC/TS service if connection (incl. DNS lookup) attempts are made by the MFD before the configurable timeout elapses"})
}

// together is what speaks against one node for each MFD. That an MFD leaves a node
// that does not serve, or that a person moves it, the requirement allows.
func (g Group) together() (f finding) {
	if g.Split > 0 {
		f.fails("%s now on two nodes without a move; do: save a support bundle (spoolctl support FILE) and report it", phrase.Count(g.Split, "MFD"))
	}
	if g.Seen.faults > 0 {
		f.fails("%s changed nodes for no known reason since %s; do: see spoolctl events", phrase.Count(g.Seen.faults, "MFD"), clock(g.Seen.Since))
	}
	if g.Seen.moved > 0 {
		f.notes("moves for a known reason, a node that left or a person's order: %d", g.Seen.moved)
	}
	if g.Moving > 0 {
		f.notes("older connections of %s finish on the node that they left", phrase.Count(g.Moving, "MFD"))
	}
	return f
}

// sameNode needs MFDs that were seen on several ports.
func (g Group) sameNode() api.ProofItem {
	f := g.together()
	if n := g.sessions.ports; n > 0 {
		f.shows("%s on several ports since %s, none split over nodes", phrase.Count(n, "session")+" of MFDs", clock(g.Seen.Since))
	} else {
		f.lacks("no MFD was on two ports since %s; do: let one print and scan, or %s", clock(g.Seen.Since), fmt.Sprintf("connect to 5011 and 5610 of %s from one machine", g.VirtualAddress))
	}
	return f.item(sentence{"same-node", passed,
		"all the ports should be passed to the same node per request window as defined by persistence, please do not split the ports to different nodes"})
}

// window is what the bound MFDs show.
func (g Group) window() api.ProofItem {
	var f finding
	if g.Affinity < 30*time.Minute {
		f.fails("the window is %v; do: write affinity = \"30m\" into [[group]]", g.Affinity)
	}
	if g.Refused != "" {
		f.fails("%s", g.Refused)
	}
	if g.Bound > 0 {
		f.shows("%s bound, the longest window ends in %v", phrase.Count(g.Bound, "MFD"), g.Left.Round(time.Second))
	} else {
		f.lacks("no MFD is bound to show it; %s", g.connect(5011))
	}
	f.notes("configured: %v, counted from the end of an MFD's last connection", g.Affinity)
	return f.item(sentence{"window", failover, "Affinity needs to be set for a minimum of 30 minutes"})
}

// source needs MFDs with more than one connection.
func (g Group) source() api.ProofItem {
	var f finding
	seen := g.sessions
	if n := seen.addresses; n > 0 {
		f.fails("%s in which nodes saw the MFD under two addresses; do: save a support bundle (spoolctl support FILE) and report it, unless mode was changed meanwhile", phrase.Count(n, "session"))
	}
	if seen.again > 0 {
		f.shows("%s of several connections since %s, each under one address, %s", phrase.Count(seen.again, "session"), clock(g.Seen.Since), g.seenAs())
	} else {
		f.lacks("no MFD made two connections since %s; %s, twice", clock(g.Seen.Since), g.connect(5011))
	}
	if seen.odd > 0 {
		f.notes("%s under another address than mode = %q has it", phrase.Count(seen.odd, "session"), string(g.Mode))
	}
	f.notes("configured: mode = %q", string(g.Mode))
	return f.item(sentence{"single-source", failover,
		"All inbound communication to SPOC/TS from a single user session (thus from single MFD) must appear under a single source IP address"})
}
