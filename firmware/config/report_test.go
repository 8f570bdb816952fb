package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

const everyReporter = smallest + `
[report.syslog]
server = "log.example.com"
transport = "TLS"
severity = "info"
fingerprint = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"
[report.snmp]
server = "198.51.100.162"
version = "3"
inform = true
user = "spoolgate"
auth_password = "authentication"
privacy_password = "sealed-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
privacy = "aes256"
engine_id = "0x80:00:1f:88:04:31"
[report.mail]
server = "mail.example.com"
user = "box"
password = "secret"
from = "Spoolgate <spoolgate@example.com>"
to = ["a@example.com", "b@example.com"]
updates = true
[report.webhook]
url = "https://hooks.example.com/T1/B2"
format = "slack"
secret = "s3cret of 16 letters"
severity = "alert"
[report.metrics]
token = "scrape of 16 letters"
`

func TestReportersAreOffUntilTheirTableIsWritten(t *testing.T) {
	for file, want := range map[string]Report{
		smallest:                        {},
		smallest + "[report]\n":         {},
		smallest + "[report.metrics]\n": {Metrics: &Metrics{}},
	} {
		if c, err := Parse([]byte(file), Required()); err != nil || !reflect.DeepEqual(c.Report, want) {
			t.Errorf("%s: %+v %v", file, c.Report, err)
		}
	}
}

func TestEveryKeyOfReportersIsRead(t *testing.T) {
	c, err := Parse([]byte(everyReporter), Required())
	if err != nil {
		t.Fatal(err)
	}
	want := Report{
		Syslog: &Syslog{Server: "log.example.com", Port: 6514, Transport: "tls", Least: "info", Trust: Trust{Fingerprint: strings.Repeat("00112233445566778899aabbccddeeff", 2)}},
		SNMP: &SNMP{Server: "198.51.100.162", Port: 162, Version: "3", Inform: true, User: "spoolgate", Auth: "SHA256", AuthPassword: "authentication",
			Privacy: "AES256", PrivacyPassword: "sealed-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", EngineID: []byte{0x80, 0, 0x1f, 0x88, 4, '1'}, Least: "warning"},
		Mail: &Mail{Server: "mail.example.com", Port: 587, Security: "starttls", User: "box", Password: "secret", From: "spoolgate@example.com",
			To: []string{"a@example.com", "b@example.com"}, Least: "warning", Updates: true},
		Webhook: &Webhook{URL: "https://hooks.example.com/T1/B2", Format: "slack", Secret: "s3cret of 16 letters", Least: "alert"},
		Metrics: &Metrics{Token: "scrape of 16 letters"},
	}
	if !reflect.DeepEqual(c.Report, want) {
		t.Errorf("got  %#v\nwant %#v", c.Report, want)
	}
}

func TestNoPasswordOfAReporterIsPrinted(t *testing.T) {
	c, err := Parse([]byte(everyReporter), Required())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c.Report)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []any{*c.Report.SNMP, *c.Report.Mail, *c.Report.Webhook, *c.Report.Metrics} {
		text = fmt.Appendf(text, "%v %+v %#v", r, r, r)
	}
	for _, password := range []string{"authentication", "AAAA", `"secret"`, "s3cret", "hooks.example.com", "scrape"} {
		if strings.Contains(string(text), password) {
			t.Errorf("%q stands in %s", password, text)
		}
	}
}

func TestEveryRefusalOfAReporterSaysWhatToDo(t *testing.T) {
	for lines, want := range map[string]string{
		"[report.fax]\n":       `report.fax: there is no such key; a misspelt key would silently do nothing. Remove it, or use one of: syslog, snmp, mail, webhook, metrics`,
		"[report]\nmail = 5\n": `report.mail: this is a whole number, and a table is wanted`,
		"[report.syslog]\n":    `report.syslog.server: the server is missing`,
		"[report.syslog]\nserver = \"log.example.com:514\"\n":                                                                                `"log.example.com:514" is no name and no address of a server`,
		"[report.syslog]\nserver = \"192.0.2.9\"\ntransport = \"sctp\"\n":                                                                    `"sctp" is none of udp, tcp, tls`,
		"[report.syslog]\nserver = \"192.0.2.9\"\nseverity = \"debug\"\n":                                                                    `"debug" is none of info, notice, warning, alert`,
		"[report.syslog]\nserver = \"192.0.2.9\"\nfingerprint = \"" + strings.Repeat("ab", 32) + "\"\n":                                      `there is a certificate and no encryption`,
		"[report.syslog]\nserver = \"192.0.2.9\"\ntransport = \"tls\"\nfingerprint = \"abc\"\n":                                              `"abc" is no SHA-256 fingerprint`,
		"[report.syslog]\nserver = \"192.0.2.9\"\ntransport = \"tls\"\nca = \"ca.pem\"\n":                                                    `report.syslog.ca: this is no certificate`,
		"[report.snmp]\nserver = \"192.0.2.9\"\n":                                                                                            `the community is missing`,
		"[report.snmp]\nserver = \"192.0.2.9\"\nversion = 3\n":                                                                               `this is a whole number, and a text is wanted`,
		"[report.snmp]\nserver = \"192.0.2.9\"\nversion = \"3\"\nuser = \"u\"\nauth_password = \"short\"\n":                                  `report.snmp.auth_password: the password is missing, or shorter than 8`,
		"[report.snmp]\nserver = \"192.0.2.9\"\ncommunity = \"c\"\nengine_id = \"8000\"\n":                                                   `"8000" is no engine ID`,
		"[report.mail]\nserver = \"m\"\nfrom = \"a@b.example\"\n":                                                                            `nobody gets the mail`,
		"[report.mail]\nserver = \"m\"\nfrom = \"here\"\nto = [\"a@b.example\"]\n":                                                           `"here" is no mail address`,
		"[report.mail]\nserver = \"m\"\nfrom = \"a@b.example\"\nto = [7]\n":                                                                  `report.mail.to[1]: this is a whole number`,
		"[report.mail]\nserver = \"m\"\nfrom = \"a@b.example\"\nto = \"a@b.example\"\nuser = \"u\"\n":                                        `one of the two is missing`,
		"[report.mail]\nserver = \"m\"\nfrom = \"a@b.example\"\nto = \"a@b.example\"\nuser = \"u\"\npassword = \"p\"\nsecurity = \"none\"\n": `the password would go over the network for all to read`,
		"[report.webhook]\nurl = \"https://a.example/\"\nsecret = \"x\"\n":                                                                   `report.webhook.secret: this is shorter than 16 characters; who guesses it can send reports in the name of the box. Write 16 characters or more`,
		"[report.webhook]\nurl = \"https://a.example/\"\nsecret = \"\"\n":                                                                    `report.webhook.secret: there is nothing in it; `,
		"[report.metrics]\ntoken = \"\"\n":                                                                                                   `report.metrics.token: there is nothing in it; who guesses it can read the state of the box. Write 16 characters or more that nobody can guess, such as openssl rand -hex 16 prints, or remove the line to go without`,
		"[report.metrics]\ntoken = \"123456789012345\"\n":                                                                                    `report.metrics.token: this is shorter than 16 characters`,
		"[report.metrics]\ntoken = \"sealed-1:garbage\"\n":                                                                                   `report.metrics.token: this is no encrypted password; `,
		"[report.webhook]\nurl = \"http://hooks.example.com/\"\n":                                                                            `this is no address of a webhook; it begins with https://`,
	} {
		_, err := Parse([]byte(smallest+lines), Required())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", lines, err, want)
		}
	}
}

func TestAuthorityOfAServerStandsInTheConfiguration(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	c, err := Parse([]byte(smallest+"[report.syslog]\nserver = \"192.0.2.9\"\ntransport = \"tls\"\nca = '''\n"+text+"'''\n"), Required())
	if err != nil || c.Report.Syslog.CA != text {
		t.Errorf("%v", err)
	}
}
