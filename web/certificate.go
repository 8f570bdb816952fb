package web

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/renameio/v2"
)

const (
	// validFor is the longest that macOS lets a browser go on past (398 days
	// and more offer no way on).
	validFor = 397 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is replaced.
	renewBefore = 30 * 24 * time.Hour
	// mostAddresses bounds the addresses that one certificate names: a box whose
	// lease changes daily must not grow it for ever.
	mostAddresses = 8
)

// certificates issues the box's self-signed certificate and keeps it in a file,
// so that a browser's exception holds over a restart. The certificate names
// each address that somebody came to.
type certificates struct {
	path     string
	hostname func() string
	now      func() time.Time
	log      *slog.Logger

	mu   sync.Mutex
	last *tls.Certificate
}

func newCertificates(dir string, hostname func() string, now func() time.Time, log *slog.Logger) (*certificates, error) {
	c := &certificates{path: filepath.Join(dir, "webd.pem"), hostname: hostname, now: now, log: log}
	data, err := os.ReadFile(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, nil
	case err != nil:
		return nil, fmt.Errorf("certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		// Half a file of a power cut: a new one costs a browser's exception.
		log.Warn("certificate is replaced", "file", c.path, "err", err)
		return c, nil
	}
	c.last = &pair
	return c, nil
}

// get is a tls.Config's GetCertificate.
func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	address := net.IP{}
	if tcp, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
		address = tcp.IP
	}
	return c.covering(address, c.hostname())
}

// covering returns the certificate if it is good for address and name, or else
// a new one.
func (c *certificates) covering(address net.IP, name string) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	var addresses []net.IP
	names := []string{}
	if c.last != nil {
		leaf := c.last.Leaf
		known := address == nil || slices.ContainsFunc(leaf.IPAddresses, address.Equal)
		named := name == "" || slices.Contains(leaf.DNSNames, name)
		if known && named && now.After(leaf.NotBefore) && now.Add(renewBefore).Before(leaf.NotAfter) {
			return c.last, nil
		}
		addresses = slices.DeleteFunc(slices.Clone(leaf.IPAddresses), address.Equal)
	}
	if address != nil {
		addresses = append(addresses, address)
	}
	addresses = addresses[max(0, len(addresses)-mostAddresses):]
	if name != "" {
		names = append(names, name, name+".local")
	}
	pair, data, err := issue(names, addresses, now)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	c.last = pair
	if err := renameio.WriteFile(c.path, data, 0o600, renameio.WithTempDir(filepath.Dir(c.path))); err != nil {
		c.log.Warn("certificate is not kept over a restart", "err", err)
	}
	return pair, nil
}

func issue(names []string, addresses []net.IP, now time.Time) (*tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Spoolgate"},
		// A day back: the browser's clock and the box's need not agree.
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(validFor - 24*time.Hour),
		DNSNames: names, IPAddresses: addresses,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	var data bytes.Buffer
	for _, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := pem.Encode(&data, block); err != nil {
			return nil, nil, err
		}
	}
	pair, err := tls.X509KeyPair(data.Bytes(), data.Bytes())
	return &pair, data.Bytes(), err
}
