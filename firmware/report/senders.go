package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/mail"
	"spoolgate/firmware/report/reach"
	"spoolgate/firmware/report/snmp"
	"spoolgate/firmware/report/syslog"
	"spoolgate/firmware/report/webhook"
	"spoolgate/firmware/secret"
)

// member is a configured reporter.
type member struct {
	name   string
	sender Sender
	wish   wish
}

// safe opens passwords.
type safe struct {
	key    secret.Key
	keyErr error // why there is no key
	err    error // of the first password that could not be opened
}

func (s *safe) open(t secret.Text, what string) string {
	text, err := s.key.Open(t)
	if err == nil || s.err != nil {
		return text
	}
	f := &api.Failure{Stage: api.StagePassword, What: fmt.Sprintf("%s %v", what, err), Do: "Type it into the configuration again"}
	if s.keyErr != nil {
		f.What = fmt.Sprintf("%s is encrypted, and can't be read: %v", what, s.keyErr)
		f.Do = "Start the box again, which makes a key if there is none; then type the password into the configuration again"
	}
	s.err = f
	return ""
}

// members are the reporters of a configuration. A password that can't be opened, or
// whatever else keeps one from being made, is told at each try of that one, and
// stops no other.
func members(c config.Config, keyFile string, engine snmp.Engine, now func() time.Time) []member {
	key, keyErr := secret.ReadKey(keyFile)
	var out []member
	add := func(name string, w wish, make func(*safe) (Sender, error)) {
		s := &safe{key: key, keyErr: keyErr}
		sender, err := make(s)
		if err = errors.Join(s.err, err); err != nil {
			sender = unable{err}
		}
		out = append(out, member{name, sender, w})
	}
	r := c.Report
	if r.Syslog != nil {
		add("syslog", wish{r.Syslog.Least, true}, func(*safe) (Sender, error) { return syslog.New(*r.Syslog), nil })
	}
	if r.SNMP != nil {
		if engine.ID = r.SNMP.EngineID; engine.ID == nil {
			engine.ID = snmp.EngineID(c.Hostname)
		}
		add("snmp", wish{r.SNMP.Least, true}, func(s *safe) (Sender, error) {
			return snmp.New(*r.SNMP, snmp.Secrets{Community: s.open(r.SNMP.Community, "the community"),
				Auth: s.open(r.SNMP.AuthPassword, "auth_password"), Privacy: s.open(r.SNMP.PrivacyPassword, "privacy_password")}, engine), nil
		})
	}
	if r.Mail != nil {
		add("mail", wish{r.Mail.Least, r.Mail.Updates}, func(s *safe) (Sender, error) {
			return mail.New(*r.Mail, s.open(r.Mail.Password, "the password"), c.Hostname), nil
		})
	}
	if r.Webhook != nil {
		add("webhook", wish{r.Webhook.Least, r.Webhook.Updates}, func(s *safe) (Sender, error) {
			address, shared := s.open(r.Webhook.URL, "url"), s.open(r.Webhook.Secret, "secret")
			if s.err != nil {
				return nil, nil
			}
			return webhook.New(*r.Webhook, address, shared, now)
		})
	}
	return out
}

// unable is a sender that could not be made.
type unable struct{ err error }

func (u unable) Send(context.Context, letter.Message, reach.Note) error { return u.err }

func (u unable) Target() string { return "nowhere: " + u.err.Error() }

func (u unable) Confirms() bool { return true } // that nothing is sent
