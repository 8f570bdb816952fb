package acceptance

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"time"

	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/site"
)

// session is an FTP client that shows what stands between the lines: it sends
// commands as they are given and goes where the reply to PASV says.
type session struct {
	*place
	mfd  *mfd.MFD
	conn net.Conn
	in   *textproto.Conn
}

func (p *place) login(m *mfd.MFD) *session {
	p.Helper()
	conn, err := m.Namespace.Dial(p.Context(), m.Address, netip.AddrPortFrom(site.VIP, 21))
	p.must(err)
	p.Cleanup(func() { conn.Close() })
	p.must(conn.SetDeadline(time.Now().Add(within)))
	f := &session{p, m, conn, textproto.NewConn(conn)}
	f.say(220, "")
	f.must(f.in.PrintfLine("user anonymous"))
	if code, text, err := f.in.ReadResponse(0); code == 331 {
		f.say(230, "pass mfd")
	} else if code != 230 {
		f.Fatalf("FTP login: %d %s %v", code, text, err)
	}
	f.say(200, "type I")
	return f
}

// say sends a command and expects a reply.
func (f *session) say(code int, command string) string {
	f.Helper()
	if command != "" {
		f.must(f.in.PrintfLine("%s", command))
	}
	_, text, err := f.in.ReadResponse(code)
	if err != nil {
		f.Fatalf("FTP %q: %v", command, err)
	}
	return text
}

// passive asks for a data port by PASV or EPSV.
func (f *session) passive(way string) netip.AddrPort {
	f.Helper()
	if strings.EqualFold(way, "epsv") {
		text := f.say(229, way)
		var port uint16
		if _, err := fmt.Sscanf(text[strings.Index(text, "(")+1:], "|||%d|", &port); err != nil {
			f.Fatalf("EPSV answered %q", text)
		}
		return netip.AddrPortFrom(site.VIP, port)
	}
	at, err := parsePASV(f.say(227, way))
	f.must(err)
	if at.Addr() != site.VIP {
		f.Fatalf("PASV says %s: the node's address leaks", at)
	}
	return at
}

func parsePASV(text string) (netip.AddrPort, error) {
	var a [4]byte
	var high, low uint16
	_, numbers, _ := strings.Cut(text, "(")
	if _, err := fmt.Sscanf(numbers, "%d,%d,%d,%d,%d,%d)", &a[0], &a[1], &a[2], &a[3], &high, &low); err != nil {
		return netip.AddrPort{}, fmt.Errorf("PASV answered %q", text)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a), high<<8|low), nil
}

func (f *session) data(at netip.AddrPort) *net.TCPConn {
	f.Helper()
	conn, err := f.mfd.Namespace.Dial(f.Context(), f.mfd.Address, at)
	f.must(err)
	f.must(conn.SetDeadline(time.Now().Add(within)))
	return conn
}

// send stores a scan over the data port and returns it.
func (f *session) send(at netip.AddrPort) (name string, content []byte) {
	f.Helper()
	name, content = rand.Text(), make([]byte, 1<<20)
	rand.Read(content)
	up := f.data(at)
	f.say(150, "stor "+name)
	_, err := up.Write(content)
	f.must(err)
	f.must(up.Close())
	f.say(226, "")
	return name, content
}

// transfer stores a scan and fetches it again.
func (f *session) transfer(way string) {
	f.Helper()
	name, content := f.send(f.passive(way))
	down := f.data(f.passive(way))
	f.say(150, "retr "+name)
	got, err := io.ReadAll(down)
	f.must(err)
	f.must(down.Close())
	f.say(226, "")
	if !bytes.Equal(got, content) {
		f.Errorf("%s: %d bytes came back of %d", way, len(got), len(content))
	}
}
