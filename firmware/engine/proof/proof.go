// Package proof holds the requirement against what is seen, sentence by sentence. It
// is pure: the engine collects the evidence, and what is judged here can be tested
// line by line.
//
// Nothing passes by the configuration alone: where nothing was seen that shows a
// sentence, it can't be seen yet, and the evidence says what to do to see it. And
// nothing fails that the requirement allows: what an auditor may want to know of a
// pass is said as a remark.
package proof

import (
	"fmt"
	"slices"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/health"
)

// Group is what is seen of one group.
type Group struct {
	config.Group
	Now   time.Time
	Hold  *api.Hold      // of the virtual address; nil where nobody tells
	Names *api.NameCheck // of it; nil when it has not been looked at
	Nodes []Node
	Seen  *Sightings // since the balancer began
	Paced time.Time  // since then Checks.Interval is what it is
	Open  *Survey    // of the connections that are open now
	// Bound are the MFDs whose window lasts, and Left the longest of the windows.
	Bound int
	Left  time.Duration
	// Split are MFDs with connections to two nodes that no move explains; Moving
	// those whose older connections finish on the node that they left.
	Split, Moving int
	// Bypasses are MFDs that were seen to go past the virtual address, in words.
	Bypasses []string
	// Refused says that the kernel lacks the last change; empty when it has it.
	Refused string

	sessions sessions // of MFDs: of Seen and Open, counted once
}

// Node is what is seen of one node.
type Node struct {
	config.Node
	Status  health.Status
	Probes  map[uint16][]api.Probe // oldest first
	Flights []api.Flight           // oldest first
	Starts  []api.Start            // oldest first
	Serving bool                   // takes new MFDs
	Bound   int                    // MFDs
	Open    int                    // connections
}

// Sections of the requirement.
const (
	inGeneral = "Requirements for a Third-party Load Balancer"
	failover  = "Terminal Failover"
	checked   = "Health Check"
	passed    = "Ports Pass through"
	ftpNote   = "FTP Tech Note"
	dispatch  = "Dispatcher Paragon settings"
	terminal  = "Terminal Server settings"
)

// sentence is one demand of the requirement.
type sentence struct{ id, section, words string }

// finding is what speaks for and against one sentence.
type finding struct {
	wrong   []string // why it fails, and what to do
	missing []string // what was not seen yet, and what to do to see it
	seen    []string // what shows it
	hidden  []string // what would show it and can't be seen from here, and what to do
	remarks []string // what to know beside
}

func (f *finding) fails(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

func (f *finding) lacks(format string, args ...any) {
	f.missing = append(f.missing, fmt.Sprintf(format, args...))
}

func (f *finding) shows(format string, args ...any) {
	f.seen = append(f.seen, fmt.Sprintf(format, args...))
}

func (f *finding) hides(format string, args ...any) {
	f.hidden = append(f.hidden, fmt.Sprintf(format, args...))
}

func (f *finding) notes(format string, args ...any) {
	f.remarks = append(f.remarks, fmt.Sprintf(format, args...))
}

// item is the only place where a verdict is reached. Without something that was
// seen there is no pass.
func (f *finding) item(s sentence) api.ProofItem {
	item := api.ProofItem{ID: s.id, Section: s.section, Sentence: s.words, Verdict: api.Pass,
		Evidence: slices.Concat([]string{}, f.wrong, f.missing, f.seen, f.hidden, f.remarks)}
	switch {
	case len(f.wrong) > 0:
		item.Verdict = api.Fail
	case len(f.missing) > 0:
		item.Verdict = api.UnseenYet
	case len(f.seen) == 0 && len(f.hidden) > 0:
		item.Verdict = api.UnseenHere
	case len(f.seen) == 0:
		item.Verdict = api.UnseenYet
	}
	return item
}

// elsewhere is a sentence that the box will never see: because of what, and what to do.
func (s sentence) elsewhere(because, do string) api.ProofItem {
	return api.ProofItem{ID: s.id, Section: s.section, Sentence: s.words, Verdict: api.UnseenHere, Evidence: []string{because, do}}
}

// Judge judges the sentences that are about a group, in the order of the requirement.
func (g Group) Judge() []api.ProofItem {
	g.sessions = count(g.Seen, g.Open)
	items := []api.ProofItem{
		g.address(), g.names(), g.used(), g.unit(),
		g.decision(), g.monitored(), g.halfOpen(), g.period(), g.downAfter(), g.upDelay(),
		g.affinity(), g.window(), g.spread(), g.byPort(), g.source(),
		g.check(spoc), g.check(ts),
		g.sameNode(), g.row(terminalRow), g.row(webDAVRow), g.row(ftpRow), g.leastConnections(), g.passiveFTP(),
	}
	for i := range items {
		items[i].Group = g.Name
	}
	return items
}

// Settings are the sentences about the print servers' own settings.
func Settings() []api.ProofItem {
	return []api.ProofItem{
		sentence{"node-load-balancer", dispatch, "Set enableNetworkLoadBalancer property to enabled and save the configuration"}.
			elsewhere("because it is a setting of Dispatcher Paragon", "do: look under System > System settings of its management interface"),
		sentence{"node-group", terminal, "all the SPOC servers part of the NLB group are also in SPOC Group configuration"}.
			elsewhere("because it is a setting of Dispatcher Paragon", "do: compare its SPOC groups with the nodes of spoolctl status"),
		sentence{"node-address", terminal, "Set the Load Balancer's virtual DNS name in the networkAddress parameter"}.
			elsewhere("because it stands in a file of each node", "do: look into TerminalServer.exe.config on each node, at networkAddress"),
		sentence{"node-scan-address", terminal, "add new scanServerIp parameter and set it to the physical IP address of the local TS node"}.
			elsewhere("because it stands in a file of each node", "do: look into TerminalServer.exe.config on each node, at scanServerIp in AppSettings"),
	}
}

// Unconfigured is what there is to say of a box without a group.
func Unconfigured() api.ProofItem {
	var f finding
	f.lacks("this box has no configuration yet, so that no sentence can be judged; do: spoolctl config apply FILE")
	return f.item(sentence{"configured", inGeneral, "The solution must be based on software or hardware load balancer in the customer's network"})
}

func clock(t time.Time) string { return t.Local().Format(time.DateTime) }

// connect is what makes an MFD seen.
func (g Group) connect(port uint16) string {
	return fmt.Sprintf("do: let an MFD connect, or from its network: nc -z %s %d", g.VirtualAddress, port)
}

// seenAs is the address under which the nodes see MFDs, in words.
func (g Group) seenAs() string {
	if g.Mode == config.Transparent {
		return "the MFD's own"
	}
	return g.VirtualAddress.String()
}
