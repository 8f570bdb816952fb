package dataplane

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"spoolgate/firmware/config"
	"spoolgate/tools/lab/vsftpd"
)

// vsftpd starts the real server on a node, with a directory of its own and extra
// lines of configuration.
func (s *site) vsftpd(node int, passive config.PortRange, extra ...string) {
	s.t.Helper()
	dir := s.t.TempDir()
	s.must(os.Chmod(filepath.Dir(dir), 0o755))
	lines := append([]string{"listen_address=" + nodeAddr(node).String(), fmt.Sprintf("ftpd_banner=node %d", node)}, extra...)
	if !passive.IsZero() {
		lines = append(lines, fmt.Sprintf("pasv_min_port=%d", passive.First), fmt.Sprintf("pasv_max_port=%d", passive.Last))
	}
	conf, _, err := vsftpd.Configure(dir, lines...)
	s.must(err)
	cmd := exec.Command("vsftpd", conf)
	s.must(s.nodes[node-1].Start(cmd))
	s.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	s.must(vsftpd.Await(ctx, s.nodes[node-1], nodeAddr(node)))
}

// session is an FTP client that goes where the 227 reply says; common ones
// ignore the address in it and hide a load balancer that leaks the node's.
type session struct {
	s    *site
	from netip.Addr
	conn net.Conn
	*textproto.Reader
}

func (s *site) login(from netip.Addr) *session {
	s.t.Helper()
	conn, err := s.printers.Dial(s.t.Context(), from, netip.AddrPortFrom(vip, 21))
	s.must(err)
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	f := &session{s, from, conn, textproto.NewReader(bufio.NewReader(conn))}
	f.expect(220, "")
	f.expect(230, "user anonymous") // lower case, as some printers send
	f.expect(200, "TYPE I")
	return f
}

func (f *session) expect(code int, command string, args ...any) string {
	f.s.t.Helper()
	if command != "" {
		fmt.Fprintf(f.conn, command+"\r\n", args...)
	}
	_, text, err := f.ReadResponse(code)
	if err != nil {
		f.s.t.Fatalf("FTP %q: %v", command, err)
	}
	return text
}

// passive asks for a data port, by PASV or EPSV in any letter case.
func (f *session) passive(command string) netip.AddrPort {
	f.s.t.Helper()
	if strings.EqualFold(command, "EPSV") {
		text := f.expect(229, command)
		var port uint16
		if _, err := fmt.Sscanf(text[strings.Index(text, "("):], "(|||%d|)", &port); err != nil {
			f.s.t.Fatalf("EPSV answered %q", text)
		}
		return netip.AddrPortFrom(vip, port)
	}
	return parsePASV(f.s.t, f.expect(227, command))
}

func parsePASV(t testing.TB, text string) netip.AddrPort {
	t.Helper()
	var a [4]byte
	var high, low uint16
	if _, err := fmt.Sscanf(text[strings.Index(text, "("):], "(%d,%d,%d,%d,%d,%d)", &a[0], &a[1], &a[2], &a[3], &high, &low); err != nil {
		t.Fatalf("PASV answered %q", text)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a), high<<8|low)
}

func (f *session) data(command string) *net.TCPConn {
	f.s.t.Helper()
	at := f.passive(command)
	if at.Addr() != vip {
		f.s.t.Fatalf("%s says %s: the node's address leaks", command, at)
	}
	conn, err := f.s.printers.Dial(f.s.t.Context(), f.from, at)
	f.s.must(err)
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func TestPassiveFTPGoesToTheSameNode(t *testing.T) {
	for _, masked := range []bool{true, false} {
		s := newSite(t)
		g := group(2)
		g.Masked = masked
		s.serve(g)
		s.vsftpd(1, config.PortRange{})
		s.vsftpd(2, config.PortRange{})
		content := bytes.Repeat([]byte("scan to FTP, page by page\n"), 300_000)
		for i, command := range []string{"PASV", "EPSV", "pasv", "epsv"} {
			f := s.login(printer(i))
			up := f.data(command)
			f.expect(150, "STOR upload/scan%d", i)
			if _, err := up.Write(content); err != nil {
				t.Fatal(err)
			}
			up.Close()
			f.expect(226, "")
			down := f.data(command)
			f.expect(150, "RETR upload/scan%d", i)
			got, err := io.ReadAll(down)
			if err != nil || sha256.Sum256(got) != sha256.Sum256(content) {
				t.Errorf("masked %v, %s: %d bytes came back of %d: %v", masked, command, len(got), len(content), err)
			}
			down.Close()
			f.expect(226, "")
		}
	}
}

func TestDataPortOfOnePrinterIsRefusedToAnother(t *testing.T) {
	s := newSite(t)
	s.serve(group(1))
	s.vsftpd(1, config.PortRange{})
	f := s.login(printer(0))
	at := f.passive("PASV")
	if _, err := s.printers.Dial(t.Context(), printer(1), at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("another printer: %v, want refused", err)
	}
	conn, err := s.printers.Dial(t.Context(), printer(0), at)
	s.must(err)
	conn.Close()
}

// TestEncryptedFTPFollowsTheBindingThroughThePassiveRange needs no TLS: what
// counts is that the helper is not asked. Port 2121 has none.
func TestEncryptedFTPFollowsTheBindingThroughThePassiveRange(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 50000, 50001)
	g := group(3)
	g.FTPPorts, g.PassivePorts = nil, config.PortRange{First: 50000, Last: 50001}
	s.serve(g)
	for i := range 6 {
		control := s.visit(printer(i), 5011)
		for _, p := range []uint16{50000, 50001} {
			if data := s.visit(printer(i), p); data.node != control.node {
				t.Errorf("control on node %d, data port %d on node %d", control.node, p, data.node)
			}
		}
	}
	if _, err := s.dial(printer(0), vip, 50002); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a port beyond the range: %v", err)
	}
}

// TestPASVReplyInTwoSegmentsNeverLeaksTheNodesAddress is a known limit of the
// kernel's helper: it drops the first half of a 227 reply, and when the client
// has acknowledged the second half selectively that is for good. The client
// gets nothing then, but never an address that it cannot reach.
func TestPASVReplyInTwoSegmentsNeverLeaksTheNodesAddress(t *testing.T) {
	s := newSite(t)
	s.serve(group(1))
	l, err := s.nodes[0].Listen(netip.AddrPortFrom(nodeAddr(1), 21))
	s.must(err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		io.WriteString(conn, "220 node\r\n")
		in.ReadString('\n')
		io.WriteString(conn, "227 Entering Passive Mode (198,19,") // Go sends at once: TCP_NODELAY
		io.WriteString(conn, "0,11,195,80).\r\n")
		in.ReadString('\n')
	}()
	conn, err := s.printers.Dial(t.Context(), printer(0), netip.AddrPortFrom(vip, 21))
	s.must(err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	in := bufio.NewReader(conn)
	in.ReadString('\n')
	io.WriteString(conn, "PASV\r\n")
	reply, err := in.ReadString('\n')
	if err == nil && parsePASV(t, reply).Addr() != vip || strings.Contains(reply, "198,19") {
		t.Errorf("the client was told %q", reply)
	}
}
