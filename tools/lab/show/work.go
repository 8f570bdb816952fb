package show

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"spoolgate/tools/lab/mfd"
)

// scanSize is what an MFD sends by FTP and WebDAV, in bytes.
const scanSize = 1 << 20

// work is the life of one MFD: sessions over several ports and scans, again
// and again. What is told is where it landed, and each change.
func (s *stage) work(ctx context.Context, i int) {
	m := s.site.MFDs[i]
	last := ""
	for sleep(ctx, time.Duration(rand.IntN(6000))*time.Millisecond) {
		where, err := s.session(ctx, m)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.say("MFD %v", err)
		case last == "":
			s.say("MFD %s landed on node %s", m.Address, where)
		case where != last:
			s.say("MFD %s moved from node %s to node %s", m.Address, last, where)
		}
		if err == nil {
			last = where
		}
	}
}

// session opens some ports, talks on each, and sends a scan; it returns the
// node, or the nodes if they are several, which must not be.
func (s *stage) session(ctx context.Context, m *mfd.MFD) (string, error) {
	ports := mfd.TerminalPorts()
	rand.Shuffle(len(ports), func(i, j int) { ports[i], ports[j] = ports[j], ports[i] })
	all, err := m.ConnectAll(ports[:3])
	if err != nil {
		return "", err
	}
	defer mfd.CloseAll(all)
	nodes := []string{}
	add := func(name string) {
		for _, n := range nodes {
			if n == name {
				return
			}
		}
		nodes = append(nodes, name)
	}
	for _, c := range all {
		if err := c.Exchange(); err != nil {
			return "", err
		}
		add(c.Node)
	}
	var scan mfd.Scan
	switch rand.IntN(4) {
	case 0:
		scan, err = m.FTP(ctx, mfd.PASV, scanSize)
	case 1:
		scan, err = m.FTP(ctx, mfd.EPSV, scanSize)
	case 2:
		scan, err = m.WebDAV(ctx, scanSize, 0)
	default:
		return strings.Join(nodes, " AND "), nil
	}
	if err != nil {
		return "", err
	}
	add(scan.Node)
	return strings.Join(nodes, " AND "), nil
}
