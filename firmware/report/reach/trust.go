package reach

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
)

// TLS is the configuration by which a server called name proves itself as trust
// says. A pinned certificate is right whatever it says of itself: servers of an
// office often have one that names another host, or one that has run out.
func TLS(name string, trust config.Trust) *tls.Config {
	c := &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}
	switch {
	case trust.Fingerprint != "":
		c.InsecureSkipVerify = true // for VerifyConnection, which is called all the same
		c.VerifyConnection = func(s tls.ConnectionState) error {
			if subtle.ConstantTimeCompare([]byte(fingerprint(s.PeerCertificates[0])), []byte(trust.Fingerprint)) != 1 {
				return &otherCertificate{s.PeerCertificates[0]}
			}
			return nil
		}
	case trust.CA != "":
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AppendCertsFromPEM([]byte(trust.CA))
	}
	return c
}

// otherCertificate is one that is not the pinned one.
type otherCertificate struct{ shown *x509.Certificate }

func (o *otherCertificate) Error() string { return "another certificate is pinned" }

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// Describe is the certificate that a server has shown.
func Describe(s tls.ConnectionState) string {
	return "the certificate is " + describe(s.PeerCertificates[0])
}

func describe(c *x509.Certificate) string {
	return fmt.Sprintf("of %s, valid until %s, fingerprint %s", nameOf(c), c.NotAfter.Format(time.DateOnly), fingerprint(c))
}

func nameOf(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	return c.Subject.String()
}

// Untrusted says why TLS with a server did not come about.
func Untrusted(s Server, err error) error {
	f := &api.Failure{Stage: api.StageTLS, What: fmt.Sprintf("%s and the box found no TLS: %v", s, err),
		Do: "Check that the server speaks TLS 1.2 or newer on this port"}
	var other *otherCertificate
	if errors.As(err, &other) {
		f.What = fmt.Sprintf("%s shows another certificate than the pinned one: %s", s, describe(other.shown))
		f.Do = "If the server got a new certificate, write its fingerprint; if not, somebody is in between: ask who runs the server"
		return f
	}
	var unverified *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &unverified):
		f.What = fmt.Sprintf("%s is not trusted: %v. It shows the certificate %s", s, unverified.Err, describe(unverified.UnverifiedCertificates[0]))
		f.Do = "If that is the server's own certificate, write its fingerprint as fingerprint = \"...\", or the certificate of its authority as ca"
	case errors.As(err, &notTLS):
		f.What = fmt.Sprintf("%s answers, and not with TLS", s)
		f.Do = "Correct the port, or say that this server is spoken to without TLS"
	}
	return f
}
