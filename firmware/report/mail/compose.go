package mail

import (
	"bytes"
	"fmt"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"spoolgate/firmware/api"
	"spoolgate/firmware/report/letter"
)

// compose writes the mail. Mails of one incident are one thread: the first has a
// Message-ID made of the incident, and all later ones refer to it.
func (s *Sender) compose(m letter.Message) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	wrong := func(err error) error {
		return &api.Failure{Stage: api.StageMessage, What: fmt.Sprintf("the mail can't be written: %v", err), Do: "Correct from and to", Lasting: true}
	}
	if err := msg.FromFormat("Spoolgate "+m.Box, s.config.From); err != nil {
		return nil, wrong(err)
	}
	if err := msg.To(s.config.To...); err != nil {
		return nil, wrong(err)
	}
	msg.Subject(m.Subject())
	msg.SetDateWithValue(m.Event.Time)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834, 5: no out-of-office answers
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	msg.SetMessageIDWithValue(s.id(m, fmt.Sprintf("event-%d", m.Event.Seq)))
	if m.Incident != nil {
		thread := s.id(m, fmt.Sprintf("incident-%d", m.Incident.ID))
		// The first mail of an incident need not be its begin: it may have become
		// bad enough later. So all refer to one that need not have been sent.
		msg.SetGenHeader(gomail.HeaderReferences, "<"+thread+">")
		msg.SetGenHeader(gomail.HeaderInReplyTo, "<"+thread+">")
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text())
	var text bytes.Buffer
	if _, err := msg.WriteTo(&text); err != nil {
		return nil, wrong(err)
	}
	return text.Bytes(), nil
}

// id is unique over boxes by the box's name, and over a journal that began anew by
// the time.
func (s *Sender) id(m letter.Message, what string) string {
	at := m.Event.Time
	if m.Incident != nil {
		at = m.Incident.Began
	}
	_, domain, _ := strings.Cut(s.config.From, "@")
	return fmt.Sprintf("%s.%d.%s@%s", what, at.Unix(), m.Box, domain)
}
