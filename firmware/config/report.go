package config

import (
	"fmt"
	"net/mail"
	"net/url"
	"strings"

	"spoolgate/firmware/secret"
)

// Report is who is told of what happens. What is nil is off.
type Report struct {
	Syslog  *Syslog
	SNMP    *SNMP
	Mail    *Mail
	Webhook *Webhook
	Metrics *Metrics
}

// Least is the severity from which on a reporter is told: info, notice, warning
// or alert.
type Least string

// Trust is how a server proves that it is the one: by a certificate that the CA
// signed, by the very certificate of the fingerprint, or, where both are empty, by
// one of the public authorities.
type Trust struct {
	CA          string // certificates, PEM
	Fingerprint string // SHA-256 of the server's certificate, 64 hexadecimal digits
}

// Syslog is a log server (RFC 5424).
type Syslog struct {
	Server    string // name or address
	Port      uint16
	Transport string // udp, tcp, tls
	Least     Least
	Trust
}

// Mail is a mail server and the people behind it.
type Mail struct {
	Server   string
	Port     uint16
	Security string // starttls, tls, none
	User     string // empty: no login
	Password secret.Text
	From     string
	To       []string
	Least    Least
	Updates  bool // every step of an incident, not its begin, digest and clear alone
	Trust
}

// Webhook is an address that is posted to.
type Webhook struct {
	URL     secret.Text // who has it can write to the channel behind it
	Format  string      // generic, teams, slack
	Secret  secret.Text // of the signature; empty: not signed
	Least   Least
	Updates bool
	Trust
}

// Metrics are for Prometheus.
type Metrics struct {
	Token secret.Text // that the asker must know; empty: none
}

func readReport(s *section) Report {
	var r Report
	whenWritten(s, "syslog", &r.Syslog, readSyslog)
	whenWritten(s, "snmp", &r.SNMP, readSNMP)
	whenWritten(s, "mail", &r.Mail, readMail)
	whenWritten(s, "webhook", &r.Webhook, readWebhook)
	whenWritten(s, "metrics", &r.Metrics, func(s *section) Metrics { return Metrics{Token: s.shared("token", "read the state of the box")} })
	s.finish()
	return r
}

// whenWritten reads a table that is there: writing it switches its reporter on.
func whenWritten[T any](s *section, name string, into **T, read func(*section) T) {
	_, written := s.values[name]
	sub := s.table(name)
	if !written {
		return
	}
	v := read(sub)
	sub.finish()
	*into = &v
}

func readSyslog(s *section) Syslog {
	l := Syslog{
		Server:    readServer(s),
		Transport: s.choice("transport", []string{"udp", "tcp", "tls"}, "a log server hears over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425)"),
		Least:     readLeast(s, "notice"),
	}
	port := 514
	if l.Transport == "tls" {
		port = 6514
	}
	l.Port, l.Trust = readPort(s, port), readTrust(s, l.Transport == "tls")
	return l
}

func readMail(s *section) Mail {
	m := Mail{
		Server:   readServer(s),
		Security: s.choice("security", []string{"starttls", "tls", "none"}, "mail goes encrypted, from the first byte (tls) or after a plain greeting (starttls)"),
		User:     s.text("user", "", `"spoolgate"`),
		Password: s.secret("password"),
		From:     readMailbox(s, s.key("from"), s.text("from", "", `"spoolgate@example.com"`)),
		Least:    readLeast(s, "warning"),
		Updates:  s.flag("updates"),
	}
	m.Port = readPort(s, map[string]int{"starttls": 587, "tls": 465, "none": 25}[m.Security])
	m.Trust = readTrust(s, m.Security != "none")
	l, _ := s.list("to")
	for i, v := range l {
		key := element(s.key("to"), i+1)
		if t, ok := v.(string); ok {
			m.To = append(m.To, readMailbox(s, key, t))
		} else {
			s.wrongType(key, v, "a mail address", `to = ["admins@example.com"]`)
		}
	}
	if len(l) == 0 {
		s.add(s.key("to"), "nobody gets the mail", "", `Add to = ["admins@example.com"]`)
	}
	if m.User != "" && m.Security == "none" {
		s.add(s.key("user"), "there is a login and no encryption", "the password would go over the network for all to read",
			`Remove security = "none", or the user and the password`)
	}
	if (m.User == "") != (m.Password == "") {
		s.add(s.key("user"), "a login needs a user and a password, and one of the two is missing", "", "Write both, or none")
	}
	return m
}

func readWebhook(s *section) Webhook {
	w := Webhook{
		URL:     s.secret("url"),
		Format:  s.choice("format", []string{"generic", "teams", "slack"}, "each service wants its own form of JSON"),
		Secret:  s.shared("secret", "send reports in the name of the box"),
		Least:   readLeast(s, "warning"),
		Updates: s.flag("updates"),
		Trust:   readTrust(s, true),
	}
	if w.URL.Sealed() || s.wrong("url") {
		return w // its words can be seen with the key of the box only
	}
	u, err := url.Parse(string(w.URL))
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		s.add(s.key("url"), "this is no address of a webhook", "it begins with https://, names a server, and has no user in it; what is sent is nobody else's",
			`Write it as the service shows it, like url = "https://hooks.example.com/services/T1/B2"`)
	}
	return w
}

func readServer(s *section) string {
	name := s.text("server", "", `"log.example.com"`)
	if name == "" {
		s.add(s.key("server"), "the server is missing", "", `Add server = "log.example.com", its name or address`)
	} else if !validServer(name) {
		s.add(s.key("server"), fmt.Sprintf("%q is no name and no address of a server", name), "", `Write it like "log.example.com" or "192.0.2.25"; a port has a key of its own`)
	}
	return name
}

func readPort(s *section, def int) uint16 {
	return uint16(s.number("port", def, 1, 65535, "a port has 16 bits"))
}

func readLeast(s *section, def Least) Least {
	all := []string{"info", "notice", "warning", "alert"}
	if _, written := s.values["severity"]; !written {
		s.known = append(s.known, "severity")
		return def
	}
	return Least(s.choice("severity", all, "reports are, from least to most, info, notice, warning or alert; this one and those above it are sent"))
}

// readMailbox returns the bare address, as the envelope of a mail wants it.
func readMailbox(s *section, key, text string) string {
	a, err := mail.ParseAddress(text)
	if err != nil || strings.ContainsAny(a.Address, "\r\n") {
		s.add(key, fmt.Sprintf("%q is no mail address", text), "", `Write it like "spoolgate@example.com"`)
		return ""
	}
	return a.Address
}

// choice reads one of a few words; the first is the default.
func (s *section) choice(name string, of []string, why string) string {
	t := s.text(name, of[0], `"`+of[0]+`"`)
	for _, o := range of {
		if strings.EqualFold(t, o) {
			return o
		}
	}
	s.add(s.key(name), fmt.Sprintf("%q is none of %s", t, strings.Join(of, ", ")), why, fmt.Sprintf("Write %s = %q", name, of[0]))
	return of[0]
}
