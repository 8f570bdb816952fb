package web

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newTestSite(t *testing.T, v view) (*watch, *httptest.Server) {
	t.Helper()
	w := newWatch(nil, nil, nil, "", time.Now)
	w.update(func(last *view) { *last = v })
	h, err := newSite(w, http.NotFoundHandler(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return w, s
}

func get(t *testing.T, method, address, host string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestOnlyTheBoxesOwnNamesAreAnswered(t *testing.T) {
	_, s := newTestSite(t, sample())
	u, _ := url.Parse(s.URL)
	tests := []struct {
		host string
		want int
	}{
		{u.Host, 200}, {"spoolgate-2", 200}, {"SPOOLGATE-2.example.org:443", 200},
		{"attacker.example", 421}, {"198.18.0.99", 421}, {"spoolgate-22", 421},
	}
	for _, tt := range tests {
		resp, body := get(t, "GET", s.URL, tt.host)
		if resp.StatusCode != tt.want {
			t.Errorf("Host %s: %d, want %d", tt.host, resp.StatusCode, tt.want)
		}
		if tt.want == 421 && (!strings.Contains(body, "its management address, "+u.Hostname()+",") || !strings.Contains(body, "its host name, spoolgate-2,") || strings.Contains(body, "attacker")) {
			t.Errorf("Host %s is not told which names work: %s", tt.host, body)
		}
	}
}

func TestPageUsesNothingFromElsewhere(t *testing.T) {
	_, s := newTestSite(t, sample())
	resp, body := get(t, "GET", s.URL, "")
	if got := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'") {
		t.Errorf("policy %q", got)
	}
	if strings.Contains(body, "http://") || strings.Contains(body, "https://") || strings.Contains(body, "style=") {
		t.Error("the page points elsewhere, or has a style that its policy forbids")
	}
	for _, path := range []string{"/static/style.css", "/static/live.js", "/static/icon.svg"} {
		if resp, _ := get(t, "GET", s.URL+path, ""); resp.StatusCode != 200 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	for method, path := range map[string]string{"POST": "/", "GET": "/static/", "DELETE": "/live"} {
		if resp, _ := get(t, method, s.URL+path, ""); resp.StatusCode < 400 {
			t.Errorf("%s %s: %d", method, path, resp.StatusCode)
		}
	}
}

func TestStreamSendsThePageAtEachChange(t *testing.T) {
	w, s := newTestSite(t, view{})
	resp, err := http.Get(s.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	wait := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", text, lines.Err())
	}
	wait("One moment.")
	w.update(func(v *view) { *v = sample() })
	wait("event: page")
	wait("there is no spare.")
	wait("event: same")
}

func TestPlainHTTPOnlyRedirects(t *testing.T) {
	s := httptest.NewServer(redirect(func() string { return "spoolgate-2" }))
	defer s.Close()
	resp, _ := get(t, "GET", s.URL+"/x?y=1", "spoolgate-2:80")
	if got := resp.Header.Get("Location"); resp.StatusCode != 308 || got != "https://spoolgate-2/x?y=1" {
		t.Errorf("%d to %q", resp.StatusCode, got)
	}
	if resp, _ := get(t, "GET", s.URL+"/", "attacker.example"); resp.StatusCode != 421 {
		t.Errorf("a foreign name: %d", resp.StatusCode)
	}
}

func TestCertificateNamesTheAddressAndIsKept(t *testing.T) {
	dir := t.TempDir()
	now := at
	open := func() *certificates {
		c, err := newCertificates(dir, func() string { return "box" }, func() time.Time { return now }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	leaf := func(c *certificates, ip string) *x509.Certificate {
		t.Helper()
		pair, err := c.covering(net.ParseIP(ip), "box")
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf
	}
	c := open()
	first := leaf(c, "198.18.1.2")
	if first.VerifyHostname("198.18.1.2") != nil || first.VerifyHostname("box") != nil || first.NotAfter.Sub(first.NotBefore) > 397*24*time.Hour {
		t.Errorf("names %v %v, %s to %s", first.IPAddresses, first.DNSNames, first.NotBefore, first.NotAfter)
	}
	if again := leaf(open(), "198.18.1.2"); !again.Equal(first) {
		t.Error("a restart makes a new certificate")
	}
	second := leaf(c, "198.18.1.3")
	if second.Equal(first) || second.VerifyHostname("198.18.1.2") != nil || second.VerifyHostname("198.18.1.3") != nil {
		t.Errorf("after a second address: %v", second.IPAddresses)
	}
	now = at.Add(380 * 24 * time.Hour)
	if leaf(c, "198.18.1.3").Equal(second) {
		t.Error("the certificate is used up to its end")
	}
	file := filepath.Join(dir, "webd.pem")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.WriteFile(file, []byte("-----BEGIN"), 0o600); err != nil {
		t.Fatal(err)
	}
	if leaf(open(), "198.18.1.2") == nil {
		t.Error("half a file stops the UI")
	}
}

func TestServesHTTP2OverTLS(t *testing.T) {
	c, err := newCertificates(t.TempDir(), func() string { return "" }, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: c.get, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err == nil {
			conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if leaf := conn.ConnectionState().PeerCertificates[0]; leaf.VerifyHostname("127.0.0.1") != nil {
		t.Errorf("names %v", leaf.IPAddresses)
	}
}
