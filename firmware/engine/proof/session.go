package proof

import (
	"net/netip"

	"spoolgate/firmware/config"
)

// Connection is a connection of an MFD.
type Connection struct {
	Client, SeenAs netip.Addr
	Port           uint16
	Related        bool // the helper of the kernel saw it announced by an FTP server
}

// data reports whether it is one of FTP's data, whose ports the server chooses: one
// that was seen announced or, with TLS, to one of the ports that are set aside.
func (c Connection) data(g *config.Group) bool { return c.Related || g.PassivePorts.Contains(c.Port) }

// caller is the session of one MFD, which lasts as long as its window, by those of its
// connections that a node answered: a packet that nobody answers is no use of the box.
// There may be 100,000, so it is small.
type caller struct {
	seenAs    netip.Addr // invalid where nothing was seen
	port      uint16     // of its first connection
	came      bool       // by a connection that is none of data
	again     bool       // it made a second connection
	ports     bool       // to another port
	addresses bool       // the nodes saw it under another address
	odd       bool       // the address is another than the configuration has it
}

// caller is what a session shows that has made this connection alone. One of data
// follows its control connection, and is sent nowhere by itself.
func (c Connection) caller(g *config.Group) caller {
	is := caller{seenAs: c.SeenAs, odd: c.SeenAs != g.SeenAs(c.Client)}
	if !c.data(g) {
		is.came, is.port = true, c.Port
	}
	return is
}

// and is what a session shows in two parts of it.
func (c caller) and(d caller) caller {
	switch {
	case !c.seenAs.IsValid():
		return d
	case !d.seenAs.IsValid():
		return c
	}
	c.odd = c.odd || d.odd
	c.addresses = c.addresses || d.addresses || c.seenAs != d.seenAs
	c.again = c.again || d.again || c.came && d.came
	c.ports = c.ports || d.ports || c.came && d.came && c.port != d.port
	if !c.came {
		c.came, c.port = d.came, d.port
	}
	return c
}

// sessions of MFDs, counted by what they showed.
type sessions struct{ all, again, ports, addresses, odd int }

func (n *sessions) add(c caller) {
	n.all++
	if c.again {
		n.again++
	}
	if c.ports {
		n.ports++
	}
	if c.addresses {
		n.addresses++
	}
	if c.odd {
		n.odd++
	}
}

// count counts the sessions that are over, and those that last by the connections of
// them that are over and that are open.
func count(seen *Sightings, open *Survey) sessions {
	n := seen.past
	for a, c := range seen.callers {
		n.add(c.and(open.callers[a]))
	}
	for a, c := range open.callers {
		if _, known := seen.callers[a]; !known {
			n.add(c)
		}
	}
	return n
}
