package mail

import (
	"context"
	"errors"
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/reach"
	"spoolgate/tools/lab/receiver"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func incident(seq uint64, phase api.Phase) letter.Message {
	return letter.Message{Box: "spoolgate-2", Report: api.Report{
		Phase: phase,
		Event: api.Event{Seq: seq, Time: at.Add(time.Duration(seq) * time.Minute), Kind: "node.health", Severity: "warning", Group: "print", Node: "B",
			Text: "B is Down: port 5022 refused; a line of text that is longer than what a mail may have in one line, with an umlaut (ü) and\n.\na lone dot"},
		Incident: &api.Incident{ID: 7, Kind: "node.down", Severity: "alert", Group: "print", Node: "B", Title: "Node B is Down at Zürich",
			Cause: "port 5022 refuses", Do: "Look at the server", Began: at, Moved: 61, Times: 1},
	}}
}

func server(t *testing.T) *receiver.Mail {
	t.Helper()
	m, err := receiver.NewMail()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	return m
}

func to(m *receiver.Mail) config.Mail {
	return config.Mail{Server: m.Address.String(), Port: receiver.SubmissionPort, Security: "starttls", User: receiver.MailUser, Password: "sealed",
		From: "spoolgate@example.com", To: []string{"admins@example.com"}, Trust: config.Trust{CA: m.PEM}}
}

func send(t *testing.T, c config.Mail, password string, m letter.Message) (stages string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var passed []string
	err = New(c, password, "spoolgate-2").Send(ctx, m, func(s api.Stage, _ string) { passed = append(passed, string(s)) })
	return strings.Join(passed, " "), err
}

func TestEximTakesMailEncryptedEitherWay(t *testing.T) {
	m := server(t)
	tls := to(m)
	tls.Port, tls.Security, tls.Trust = receiver.SMTPSPort, "tls", config.Trust{Fingerprint: m.Fingerprint}
	for i, c := range []config.Mail{to(m), tls} {
		stages, err := send(t, c, receiver.MailPassword, incident(uint64(i), api.Begin))
		if err != nil || stages != "connect TLS login recipient message" {
			t.Errorf("%s: passed %s: %v", c.Security, stages, err)
		}
	}
	if _, err := m.Await(2); err != nil {
		t.Error(err)
	}
}

func TestMailsOfOneIncidentAreOneThreadOfPlainText(t *testing.T) {
	m := server(t)
	for i, phase := range []api.Phase{api.Begin, api.Clear} {
		if _, err := send(t, to(m), receiver.MailPassword, incident(uint64(i), phase)); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Await(i + 1); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[string]bool{}
	var thread string
	for i, text := range m.Mails() {
		got, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		h := got.Header
		subject := []string{"spoolgate-2: Alert: Node B is Down at Zürich", "spoolgate-2: Over: Node B is Down at Zürich"}[i]
		if h.Get("To") != "<admins@example.com>" || !strings.Contains(h.Get("From"), "spoolgate@example.com") || h.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("the head of\n%s", text)
		}
		if s, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject")); err != nil || s != subject {
			t.Errorf("subject %q %v", s, err)
		}
		if d, err := h.Date(); err != nil || !d.Equal(at.Add(time.Duration(i)*time.Minute)) {
			t.Errorf("date %v %v", d, err)
		}
		ids[h.Get("Message-ID")] = true
		if thread == "" {
			thread = h.Get("References")
		}
		if thread == "" || h.Get("References") != thread || h.Get("In-Reply-To") != thread || ids[thread] {
			t.Errorf("thread %q of %q", h.Get("References"), h.Get("Message-ID"))
		}
		for line := range strings.Lines(text) {
			if len(line) > 998 {
				t.Errorf("a line of %d bytes", len(line))
			}
		}
		if !strings.Contains(text, "MFDs moved  61") || !strings.Contains(text, "Z=C3=BCrich.") || strings.Contains(text, "<html") {
			t.Errorf("the text of\n%s", text)
		}
	}
	if len(ids) != 2 {
		t.Errorf("two mails have the IDs %v", ids)
	}
}

func TestRecipientThatIsRefusedKeepsNoOtherFromGettingIt(t *testing.T) {
	m := server(t)
	c := to(m)
	c.To = []string{"nobody@example.com", "admins@example.com", "a@elsewhere.example"}
	test := incident(2, api.Begin)
	test.Test = true
	for _, message := range []letter.Message{incident(1, api.Begin), test} {
		stages, err := send(t, c, receiver.MailPassword, message)
		var p *reach.Partly
		if !errors.As(err, &p) || !strings.HasSuffix(stages, "recipient message") {
			t.Fatalf("passed %s: %v", stages, err)
		}
		f := p.LeftOut
		if f.Stage != api.StageRecipient || f.What != `nobody@example.com was refused: "550 unknown user"; a@elsewhere.example was refused: "550 relay not permitted"` ||
			!strings.HasPrefix(f.Do, "Correct to under [report.mail]") {
			t.Errorf("who was left out: %+v", f)
		}
	}
	if mails, err := m.Await(2); err != nil || !strings.Contains(mails[0], "Envelope-to: admins@example.com") {
		t.Errorf("%v %v", mails, err)
	}
}

func TestTestSaysWhereTheWayOfAMailEnds(t *testing.T) {
	m := server(t)
	change := func(do func(*config.Mail)) config.Mail {
		c := to(m)
		do(&c)
		return c
	}
	for name, c := range map[string]struct {
		config   config.Mail
		password string
		stage    api.Stage
		words    string
	}{
		"no such name":         {change(func(c *config.Mail) { c.Server = "mail.invalid" }), "", api.StageDNS, "mail.invalid"},
		"nobody listens":       {change(func(c *config.Mail) { c.Port = 9 }), "", api.StageConnect, "refuses: nobody listens on port 9"},
		"an unknown authority": {change(func(c *config.Mail) { c.Trust = config.Trust{} }), "", api.StageTLS, "fingerprint " + m.Fingerprint},
		"no TLS there":         {change(func(c *config.Mail) { c.Security = "tls" }), "", api.StageTLS, "answers, and not with TLS"},
		"a wrong password":     {to(m), "wrong", api.StageLogin, "535 Incorrect authentication data"},
		"no login":             {change(func(c *config.Mail) { c.User = "" }), "", api.StageRecipient, "log in first"},
		"a login in the clear": {change(func(c *config.Mail) { c.Security = "none"; c.Trust = config.Trust{} }), receiver.MailPassword, api.StageLogin, "offers no login"},
		"another's recipient":  {change(func(c *config.Mail) { c.To = []string{"a@elsewhere.example"} }), receiver.MailPassword, api.StageRecipient, "relay not permitted"},
	} {
		_, err := send(t, c.config, c.password, incident(1, api.Begin))
		var f *api.Failure
		if !errors.As(err, &f) || f.Stage != c.stage || !strings.Contains(f.What, c.words) || f.Do == "" || f.Lasting {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), receiver.MailPassword) {
			t.Errorf("%s tells the password: %v", name, err)
		}
	}
	if n := len(m.Mails()); n > 0 {
		t.Errorf("%d mails have arrived all the same", n)
	}
}
