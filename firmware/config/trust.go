package config

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/netip"
	"strings"
)

// readTrust reads how a server proves itself. The certificate itself is in the
// configuration and no file's name, so that a copy of the configuration is whole.
func readTrust(s *section, encrypted bool) Trust {
	t := Trust{CA: s.text("ca", "", `"""-----BEGIN CERTIFICATE-----..."""`), Fingerprint: s.text("fingerprint", "", `"3f0a...9c"`)}
	if t.CA != "" && !holdsCertificates(t.CA) {
		s.add(s.key("ca"), "this is no certificate", "", "Paste the certificate of the authority here as PEM, between three quotation marks")
	}
	if t.Fingerprint != "" {
		digits := strings.ReplaceAll(strings.ToLower(t.Fingerprint), ":", "")
		if b, err := hex.DecodeString(digits); err != nil || len(b) != 32 {
			s.add(s.key("fingerprint"), fmt.Sprintf("%q is no SHA-256 fingerprint", t.Fingerprint), "a fingerprint has 64 hexadecimal digits, with or without colons",
				"Write the one that the test of this reporter shows")
		}
		t.Fingerprint = digits
	}
	if t != (Trust{}) && !encrypted {
		s.add(s.path, "there is a certificate and no encryption", "nothing would be checked against it", "Switch encryption on, or remove ca and fingerprint")
	}
	return t
}

func holdsCertificates(text string) bool {
	found := false
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return found && strings.TrimSpace(string(rest)) == ""
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil || block.Type != "CERTIFICATE" {
			return false
		}
		found = true
	}
}

// validServer reports whether s is an address or a name as DNS has them.
func validServer(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast()
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if !validName(label) {
			return false
		}
	}
	return len(s) <= 253
}
