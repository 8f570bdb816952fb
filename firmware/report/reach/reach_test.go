package reach

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
)

func TestWhyAServerCannotBeReachedIsSaidInWords(t *testing.T) {
	s := Server{"mail.example.com", 587}
	for err, want := range map[error][2]string{
		syscall.ECONNREFUSED: {"nobody listens on port 587", "Start the service"},
		syscall.ENETUNREACH:  {"there is no way to mail.example.com:587", "gateway"},
		syscall.EHOSTUNREACH: {"there is no way to mail.example.com:587", "cable"},
		syscall.ETIMEDOUT:    {"can't be reached", "firewall"},
	} {
		var f *api.Failure
		if got := Unconnected(s, fmt.Errorf("dial: %w", os.NewSyscallError("connect", err))); !errors.As(got, &f) || f.Stage != api.StageConnect ||
			!strings.Contains(f.What, want[0]) || !strings.Contains(f.Do, want[1]) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestNameThatIsNotKnownIsNotAServerThatIsSilent(t *testing.T) {
	for err, want := range map[*net.DNSError]string{
		{Err: "no such host", Name: "m", Server: "192.0.2.53:53", IsNotFound: true}: "192.0.2.53:53 knows no m",
		{Err: "i/o timeout", Name: "m", Server: "192.0.2.53:53", IsTimeout: true}:   "Write dns =",
	} {
		var f *api.Failure
		if got := nameless("m", err); !errors.As(got, &f) || f.Stage != api.StageDNS || !strings.Contains(f.Error(), want) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// serve answers TLS with a certificate that names nobody and is valid until then.
func serve(t *testing.T, until time.Time) (Server, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { c.(*tls.Conn).Handshake(); c.Close() }()
		}
	}()
	at := netip.MustParseAddrPort(l.Addr().String())
	return Server{at.Addr().String(), at.Port()}, shown
}

func secure(t *testing.T, s Server, trust config.Trust) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := s.Dial(ctx, "tcp", func(api.Stage, string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = s.Secure(ctx, conn, trust, func(api.Stage, string) {})
	return err
}

func TestPinnedCertificateIsRightWhateverItSaysOfItself(t *testing.T) {
	s, shown := serve(t, time.Unix(1, 0))
	if err := secure(t, s, config.Trust{Fingerprint: fingerprint(shown)}); err != nil {
		t.Errorf("one that has run out and names nobody: %v", err)
	}
	other, _ := serve(t, time.Now().Add(time.Hour))
	if err := secure(t, other, config.Trust{Fingerprint: fingerprint(shown)}); err == nil {
		t.Error("another certificate is taken for the pinned one")
	}
	if err := secure(t, s, config.Trust{}); err == nil || !strings.Contains(err.Error(), fingerprint(shown)) {
		t.Errorf("one that nobody trusts, which must be shown so that it can be pinned: %v", err)
	}
}
