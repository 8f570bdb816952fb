package mfd

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"hash"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"

	"spoolgate/tools/lab/node"
)

// Scan is a transfer that was checked: what came back is what was sent.
type Scan struct {
	Node   string     // that took it
	SeenAs netip.Addr // the printer's address as the node sees it
	Bytes  int64
	Time   time.Duration
}

// FTPMode is how the data connection is asked for.
type FTPMode string

// The modes. All are passive, as the requirement has it.
const (
	PASV    FTPMode = "PASV"
	EPSV    FTPMode = "EPSV"
	TLSPASV FTPMode = "PASV over TLS"
	TLSEPSV FTPMode = "EPSV over TLS"
)

// FTP uploads size bytes, downloads them and compares. The printer connects to
// the address that the reply to PASV names, as real ones do.
func (m *MFD) FTP(ctx context.Context, mode FTPMode, size int64) (Scan, error) {
	private := mode == TLSPASV || mode == TLSEPSV
	secret := &tls.Config{InsecureSkipVerify: true}
	dialed := 0
	options := []ftp.DialOption{
		ftp.DialWithContext(ctx), ftp.DialWithTrustPasvIP(true), ftp.DialWithDisabledEPSV(mode == PASV || mode == TLSPASV),
		ftp.DialWithDialFunc(func(_, address string) (net.Conn, error) {
			conn, err := m.dial(ctx, address)
			// The client encrypts the control connection, which comes first; the
			// data connections it leaves to whoever dials them.
			if dialed++; err == nil && private && dialed > 1 {
				return tls.Client(conn, secret), nil
			}
			return conn, err
		}),
	}
	if private {
		options = append(options, ftp.DialWithExplicitTLS(secret))
	}
	begin := time.Now()
	seen := &welcome{}
	c, err := ftp.Dial(net.JoinHostPort(m.Box.String(), "21"), append(options, ftp.DialWithDebugOutput(seen))...)
	if err != nil {
		return Scan{}, fmt.Errorf("FTP of %s: %w", m.Address, err)
	}
	defer c.Quit()
	if err := c.Login("mfd", "mfd"); err != nil {
		return Scan{}, fmt.Errorf("FTP of %s: %w", m.Address, err)
	}
	name := rand.Text()
	sent := newPages(size)
	if err := c.Stor(name, sent); err != nil {
		return Scan{}, fmt.Errorf("FTP upload of %s: %w", m.Address, err)
	}
	back, err := c.Retr(name)
	if err != nil {
		return Scan{}, fmt.Errorf("FTP download of %s: %w", m.Address, err)
	}
	err = sent.compare(back)
	if closed := back.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return Scan{}, fmt.Errorf("FTP download of %s: %w", m.Address, err)
	}
	if err := c.Delete(name); err != nil {
		return Scan{}, fmt.Errorf("FTP of %s: %w", m.Address, err)
	}
	s := Scan{Bytes: size, Time: time.Since(begin)}
	s.Node, s.SeenAs = seen.parse()
	return s, nil
}

func (m *MFD) dial(ctx context.Context, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	return m.Namespace.Dial(ctx, m.Address, to)
}

// welcome keeps what the server says first: "220 node A sees 198.18.0.10:40000".
type welcome struct{ text strings.Builder }

func (w *welcome) Write(b []byte) (int, error) {
	if w.text.Len() < 200 {
		w.text.Write(b)
	}
	return len(b), nil
}

func (w *welcome) parse() (name string, as netip.Addr) {
	name, from := parseWelcome(w.text.String())
	return name, from.Addr()
}

func parseWelcome(text string) (name string, from netip.AddrPort) {
	_, rest, found := strings.Cut(text, "node ")
	if !found {
		return "", netip.AddrPort{}
	}
	fields := strings.Fields(rest)
	if len(fields) < 3 {
		return "", netip.AddrPort{}
	}
	from, _ = netip.ParseAddrPort(fields[2])
	return fields[0], from
}

// WebDAV uploads size bytes with a pause in the middle, downloads them and
// compares.
func (m *MFD) WebDAV(ctx context.Context, size int64, pause time.Duration) (Scan, error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return m.dial(ctx, address) },
	}}
	defer client.CloseIdleConnections()
	url := fmt.Sprintf("http://%s:%d/%s", m.Box, node.WebDAV, rand.Text())
	begin := time.Now()
	sent := newPages(size)
	put, err := m.do(ctx, client, http.MethodPut, url, &pausing{Reader: sent, after: size / 2, pause: pause}, size)
	if err != nil {
		return Scan{}, err
	}
	put.Body.Close()
	back, err := m.do(ctx, client, http.MethodGet, url, nil, 0)
	if err != nil {
		return Scan{}, err
	}
	defer back.Body.Close()
	if err := sent.compare(back.Body); err != nil {
		return Scan{}, fmt.Errorf("WebDAV download of %s: %w", m.Address, err)
	}
	gone, err := m.do(ctx, client, http.MethodDelete, url, nil, 0)
	if err != nil {
		return Scan{}, err
	}
	gone.Body.Close()
	s := Scan{Node: put.Header.Get(node.HeaderNode), Bytes: size, Time: time.Since(begin)}
	if from, err := netip.ParseAddrPort(put.Header.Get(node.HeaderClient)); err == nil {
		s.SeenAs = from.Addr()
	}
	return s, nil
}

func (m *MFD) do(ctx context.Context, client *http.Client, method, url string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("WebDAV of %s: %w", m.Address, err)
	}
	if resp.StatusCode >= 300 {
		resp.Body.Close()
		return nil, fmt.Errorf("WebDAV of %s: %s %s", m.Address, method, resp.Status)
	}
	return resp, nil
}

// pages are random bytes with a checksum, made as they are read.
type pages struct {
	io.Reader
	sum  hash.Hash
	size int64
}

func newPages(size int64) *pages {
	var seed [32]byte
	rand.Read(seed[:])
	p := &pages{sum: sha256.New(), size: size}
	p.Reader = io.TeeReader(io.LimitReader(mathrand.NewChaCha8(seed), size), p.sum)
	return p
}

// compare reads all of r and compares it with what was read from the pages.
func (p *pages) compare(r io.Reader) error {
	got := sha256.New()
	n, err := io.Copy(got, r)
	switch {
	case err != nil:
		return err
	case n != p.size:
		return fmt.Errorf("%d bytes came back of %d", n, p.size)
	case string(got.Sum(nil)) != string(p.sum.Sum(nil)):
		return fmt.Errorf("other bytes came back")
	}
	return nil
}

// pausing rests once, after so many bytes.
type pausing struct {
	io.Reader
	after int64
	pause time.Duration
}

func (p *pausing) Read(b []byte) (int, error) {
	if p.after <= 0 && p.pause > 0 {
		time.Sleep(p.pause)
		p.pause = 0
	}
	n, err := p.Reader.Read(b)
	p.after -= int64(n)
	return n, err
}
