package mistake

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"spoolgate/firmware/event"
)

const (
	// enough is the number of clients' connections in a row that met the same
	// before it is called a mistake.
	enough = 3
	// alone is how long one client alone must meet the same at a port, without a pause
	// that is as long. A scanner of the network or one MFD with a wrong setting asks for
	// a closed port, too, and the server is right then; of a site's only MFD it is
	// believed in the end.
	alone = 30 * time.Minute
	// trial is how long a connection must be open without a complaint to count as
	// served. TCP repeats a first packet after 1 s, old implementations after 3 s.
	trial = 5 * time.Second
)

// contact is what clients met at one node since they last complained.
type contact struct {
	back  streak             // of unanswered connections, whatever the port
	ports map[uint16]*streak // of refused or unanswered ones
}

// streak is a row of connections that were not served.
type streak struct {
	first  time.Time
	last   time.Time
	count  int
	client netip.Addr // the first
	others bool       // it was not the only one
	told   string     // kind of the finding that it led to; empty before
	tried  time.Time  // the first connection since the last complaint
}

func (s *streak) complain(now time.Time, n Node, client netip.Addr) {
	paused := client == s.client && !s.others && now.Sub(s.last) >= alone
	if s.count == 0 || s.told == "" && (paused || s.first.Before(n.UpSince)) {
		*s = streak{first: now, client: client}
	}
	s.count++
	s.last, s.tried = now, time.Time{}
	s.others = s.others || client != s.client
}

// ripe reports whether the row is long enough, in number and in time.
func (s *streak) ripe(now time.Time, patience time.Duration) bool {
	return s.told == "" && s.count >= enough && now.Sub(s.first) >= patience
}

// patience is how long the row must be at a port.
func (s *streak) patience(n Node) time.Duration {
	if s.others {
		return n.Patience
	}
	return max(n.Patience, alone)
}

// Unserved takes a connection of a client that the node refused or did not answer.
// Ports that the FTP server picks are not to be told of.
func (b *Book) Unserved(now time.Time, n Node, client netip.Addr, port uint16, refused bool) []Finding {
	b.doubt(now, n, client)
	c := b.met(n.Place)
	if n.UpSince.IsZero() {
		c.untried(port)
		return nil // the node is in trouble, and its health says so
	}
	s := c.ports[port]
	if s == nil {
		s = &streak{}
		c.ports[port] = s
	}
	s.complain(now, n, client)
	if !refused {
		c.back.complain(now, n, client)
	}
	if n.Transparent && !refused && !c.back.first.After(s.first) {
		// Nobody was served since: the way back may be wrong, whatever the port.
		if !c.back.ripe(now, n.Patience) {
			return nil
		}
		c.back.told = event.NodeReplies
		return b.raise(now, key{event.NodeReplies, n.Place}, "", func([]string) string { return repliesText(n, client, port) })
	}
	if !s.ripe(now, s.patience(n)) {
		return nil
	}
	s.told = event.NodeFirewall
	text := silentText
	if refused {
		s.told, text = event.NodePort, refusedText
	}
	return b.raise(now, key{s.told, n.Place}, strconv.Itoa(int(port)), func(ports []string) string { return text(n, ports) })
}

// untried takes back that a connection may have been served.
func (c *contact) untried(port uint16) {
	c.back.tried = time.Time{}
	if s := c.ports[port]; s != nil {
		s.tried = time.Time{}
	}
}

// met is what clients met at a node.
func (b *Book) met(n Place) *contact {
	c := b.contacts[n]
	if c == nil {
		c = &contact{ports: map[uint16]*streak{}}
		b.contacts[n] = c
	}
	return c
}

func repliesText(n Node, client netip.Addr, port uint16) string {
	what := fmt.Sprintf("replies of node %s don't come back through this box: MFDs (last %s, to port %d) get no answer from it, although its checks are answered", n.Node, client, port)
	if n.Adjacent {
		return what + fmt.Sprintf(". In transparent mode the way back must lead through the box, and %s is in one network with node %s, which answers it directly. "+
			"Set the group's mode to \"masked\", or give the nodes a network of their own behind the box", client, n.Node)
	}
	return what + fmt.Sprintf(". In transparent mode the way back must lead through the box: set the default gateway of %s to %s. "+
		"If it is that already, look for a firewall on %s that drops what MFDs send", n.Node, n.Gateway, n.Node)
}

func refusedText(n Node, ports []string) string {
	return fmt.Sprintf("node %s refuses port %s to MFDs, although its checks are answered: the service of that port is not installed or not started, or it listens on 127.0.0.1 only. "+
		"Look on %s with netstat -ano who listens there: it must be 0.0.0.0 or %s. A port that no MFD needs can be taken out of the group's ports",
		n.Node, list(ports), n.Node, n.Address)
}

func silentText(n Node, ports []string) string {
	return fmt.Sprintf("node %s gives MFDs no answer on port %s, although its checks are answered: a firewall on %s lets the checks in and not that port, "+
		"or nobody listens there (Windows is silent then, too). Allow the port in the firewall of %s, and look with netstat -ano who listens: it must be 0.0.0.0 or %s",
		n.Node, list(ports), n.Node, n.Node, n.Address)
}

// Opened takes a connection of a client that was sent to the node. What becomes of
// it is known later.
func (b *Book) Opened(now time.Time, n Place, port uint16) {
	c := b.contacts[n]
	if c == nil {
		return
	}
	for _, s := range []*streak{&c.back, c.ports[port]} {
		if s != nil && s.told != "" && s.tried.IsZero() {
			s.tried = now
		}
	}
}

// Served takes the end of a connection of a client that the node answered, and when it
// was opened: the answer to one that is older than the complaints says nothing of them.
func (b *Book) Served(n Place, port uint16, opened time.Time) (changes []Finding) {
	c := b.contacts[n]
	if c == nil {
		return nil
	}
	if opened.After(c.back.first) {
		changes = b.served(n, &c.back, "", "")
		c.back = streak{}
	}
	if s := c.ports[port]; s != nil && opened.After(s.first) {
		changes = append(changes, b.served(n, s, strconv.Itoa(int(port)), "port "+strconv.Itoa(int(port)))...)
		delete(c.ports, port)
	}
	if len(c.ports) == 0 {
		delete(b.contacts, n)
	}
	return changes
}

func (b *Book) served(n Place, s *streak, about, what string) []Finding {
	if s.told == "" {
		return nil
	}
	over := "node " + n.Node + " serves MFDs on " + what + " now"
	if s.told == event.NodeReplies {
		over = "replies of node " + n.Node + " come back through this box now"
	}
	return b.settle(key{s.told, n}, about, over)
}

// tickContacts ends what a connection has outlasted.
func (b *Book) tickContacts(now time.Time) (changes []Finding) {
	passed := func(s *streak) bool { return s.told != "" && !s.tried.IsZero() && now.Sub(s.tried) >= trial }
	for n, c := range b.contacts {
		if passed(&c.back) {
			changes = append(changes, b.served(n, &c.back, "", "")...)
			c.back = streak{}
		}
		for port, s := range c.ports {
			if passed(s) {
				changes = append(changes, b.Served(n, port, s.tried)...)
			}
		}
	}
	return changes
}
