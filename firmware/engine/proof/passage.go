package proof

import (
	"fmt"
	"slices"
	"strings"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/phrase"
)

// row is one row of the table of ports that are passed.
type row struct {
	id, words string
	ports     config.PortRange
	show      string // what to do to see it
}

var (
	terminalRow = row{"ports-terminal", "5011 through to 5025, Terminal Server", config.PortRange{First: 5011, Last: 5025}, "let an MFD log in at its terminal"}
	webDAVRow   = row{"ports-webdav", "5610, Terminal Server (WebDav)", config.PortRange{First: 5610, Last: 5610}, "let an MFD scan by WebDAV"}
	ftpRow      = row{"ports-ftp", "21, Terminal Server (FTP)", config.PortRange{First: 21, Last: 21}, "let an MFD scan by FTP"}
)

// landed is what was seen of one port.
func (g Group) landed(port uint16) (l landing) {
	if seen := g.Seen.ports[port]; seen != nil {
		l = *seen
	}
	l.answered += uint64(g.Open.answered[port])
	return l
}

// tries in a row that no node answered outweigh that it was answered before.
const tries = 3

// row needs one port of the range on which a node answered an MFD: how it is passed
// is the same for all of them. Which were not used yet is said.
func (g Group) row(r row) api.ProofItem {
	var f finding
	var used, silent, lately []string
	var unused []config.PortRange
	for port := r.ports.First; port <= r.ports.Last; port++ {
		l := g.landed(port)
		switch {
		case !slices.ContainsFunc(g.Ports, func(p config.PortRange) bool { return p.Contains(port) }):
			f.fails("port %d is not passed; do: add it to ports in [[group]]", port)
		case l.answered > 0 && l.missed >= tries:
			lately = append(lately, fmt.Sprintf("%d (%d)", port, l.missed))
		case l.answered > 0:
			used = append(used, fmt.Sprintf("%d (%d)", port, l.answered))
		case l.opened > 0:
			silent = append(silent, fmt.Sprintf("%d (%d)", port, l.opened))
		default:
			unused = joined(unused, port)
		}
	}
	if g.Refused != "" {
		f.fails("%s", g.Refused)
	}
	if len(used) > 0 {
		f.shows("connections that nodes answered, by port, since %s: %s", clock(g.Seen.Since), strings.Join(used, ", "))
	} else if len(f.wrong) == 0 && len(lately) == 0 {
		f.lacks("no node has answered an MFD on %s since %s; do: %s, or nc -z %s %d", r.ports, clock(g.Seen.Since), r.show, g.VirtualAddress, r.ports.First)
	}
	if len(lately) > 0 {
		tell := f.lacks
		if len(used) > 0 {
			tell = f.notes
		}
		tell("answered before, and not at the last tries in a row: %s; do: see spoolctl incidents, and look on the nodes who listens there", strings.Join(lately, ", "))
	}
	if len(silent) > 0 {
		f.notes("passed, and not answered by the node so far: %s", strings.Join(silent, ", "))
	}
	if len(used) > 0 && len(unused) > 0 {
		f.notes("passed in the same way, and not used by an MFD yet: %s", inWords(unused))
	}
	return f.item(sentence{r.id, passed, r.words})
}

// joined adds a port to ranges that end before it.
func joined(ranges []config.PortRange, port uint16) []config.PortRange {
	if n := len(ranges); n > 0 && ranges[n-1].Last == port-1 {
		ranges[n-1].Last = port
		return ranges
	}
	return append(ranges, config.PortRange{First: port, Last: port})
}

func inWords(ranges []config.PortRange) string {
	var words []string
	for _, r := range ranges {
		words = append(words, r.String())
	}
	return strings.Join(words, ", ")
}

// byPort is that MFDs are distributed by what they ask for on the network.
func (g Group) byPort() api.ProofItem {
	var f finding
	if g.Refused != "" {
		f.fails("%s", g.Refused)
	}
	ports, connections := 0, uint64(0)
	for _, r := range g.Ports {
		for port := int(r.First); port <= int(r.Last); port++ {
			if l := g.landed(uint16(port)); l.answered > 0 {
				ports++
				connections += l.answered
			}
		}
	}
	if ports > 0 {
		f.shows("%s on %s passed to nodes and answered since %s", phrase.Count(int(connections), "connection"), phrase.Count(ports, "port"), clock(g.Seen.Since))
	} else {
		f.lacks("no node has answered an MFD since %s; %s", clock(g.Seen.Since), g.connect(5011))
	}
	f.notes("configured: %s", inWords(g.Ports))
	return f.item(sentence{"by-port", failover,
		"distribute requests from MFDs to SPOC/TS based on Network Communication (typically TCP ports 5011 - 5025 and ports for FTP/WebDAV)"})
}

// passiveFTP needs a data connection that a node answered.
func (g Group) passiveFTP() api.ProofItem {
	var f finding
	if !slices.Contains(g.FTPPorts, 21) {
		f.fails("port 21 is not treated as FTP, so that data connections do not follow it; do: add it to ftp_ports in [[group]]")
	}
	answered, last := g.Seen.data.answered, ""
	if answered > 0 {
		last = ", the last one at " + clock(g.Seen.data.last)
	}
	if n := answered + uint64(g.Open.data); n > 0 {
		f.shows("%s followed the control connection to its node since %s%s", phrase.Count(int(n), "data connection"), clock(g.Seen.Since), last)
	} else if len(f.wrong) == 0 {
		f.lacks("no data connection since %s; do: let an MFD scan by FTP, or fetch a listing: curl --ftp-pasv ftp://%s/", clock(g.Seen.Since), g.VirtualAddress)
	}
	if !g.PassivePorts.IsZero() {
		f.notes("with TLS, which hides the announced port, those to %s follow the MFD's binding", g.PassivePorts)
	}
	return f.item(sentence{"passive-ftp", ftpNote, "FTP Implementation is PASSIVE FTP and will require port > 1024 to be passed"})
}
