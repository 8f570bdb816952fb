package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The image has no certificates of authorities, and a webhook is with a public
// service.
func TestPublicAuthoritiesAreKnownWhereTheSystemHasNone(t *testing.T) {
	if os.Getenv("SSL_CERT_FILE") != os.DevNull {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPublicAuthoritiesAreKnownWhereTheSystemHasNone$")
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+os.DevNull, "SSL_CERT_DIR="+os.DevNull)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	known := 0
	for root := range bundle.Roots() {
		c, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Verify(x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
			known++
		}
	}
	if known < 50 {
		t.Errorf("%d authorities are known", known)
	}
}
