// Package mail sends reports as mail, by SMTP with STARTTLS or TLS and a login.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"

	"github.com/wneessen/go-mail/smtp"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/reach"
)

// Sender sends over one mail server.
type Sender struct {
	config   config.Mail
	password string
	box      string // host name: how the box greets
	server   reach.Server
}

// New returns a sender as configured, with the opened password.
func New(c config.Mail, password, box string) *Sender {
	return &Sender{config: c, password: password, box: box, server: reach.Server{Name: c.Server, Port: c.Port}}
}

// Target is where it goes.
func (s *Sender) Target() string {
	return fmt.Sprintf("%s by %s", strings.Join(s.config.To, ", "), s.server)
}

// Confirms is true: the server takes a message or does not.
func (s *Sender) Confirms() bool { return true }

// Send hands one message to the mail server. A recipient that is refused does not
// keep the others from getting it: then the error is a *reach.Partly.
func (s *Sender) Send(ctx context.Context, m letter.Message, note reach.Note) error {
	text, err := s.compose(m)
	if err != nil {
		return err
	}
	conn, err := s.server.Dial(ctx, "tcp", note)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, err := s.greet(ctx, conn, note)
	if err != nil {
		return err
	}
	if err := errors.Join(reach.Extend(conn), s.login(c, note)); err != nil {
		return err
	}
	if err := errors.Join(reach.Extend(conn), c.Mail("<"+s.config.From+">")); err != nil {
		return said(api.StageRecipient, "the sender "+s.config.From, err, "Write as from an address that this server lets the box use")
	}
	taken, refused := s.recipients(c, note)
	if taken == 0 {
		return refused
	}
	w, err := c.Data()
	if err == nil {
		_, err = w.Write(text)
		err = errors.Join(err, reach.Extend(conn), w.Close())
	}
	if err != nil {
		return said(api.StageMessage, "the message", err, "Look at the log of the mail server")
	}
	_ = c.Quit() // the server has the mail
	note(api.StageMessage, "the server took it")
	if refused != nil {
		return &reach.Partly{LeftOut: refused}
	}
	return nil
}

// greet gets to an encrypted conversation, if that is wanted.
func (s *Sender) greet(ctx context.Context, conn net.Conn, note reach.Note) (*smtp.Client, error) {
	if s.config.Security == "tls" {
		secured, err := s.server.Secure(ctx, conn, s.config.Trust, note)
		if err != nil {
			return nil, err
		}
		conn = secured
	}
	c, err := smtp.NewClient(conn, s.config.Server)
	if err == nil {
		// A mail that needs no SMTPUTF8 must not ask for it: it would be sent back by
		// the first server on its way that has none (RFC 6531, 3.2).
		c.SkipSMTPUTF8(isASCII(s.config.From + strings.Join(s.config.To, "")))
		err = errors.Join(reach.Extend(conn), c.Hello(s.box))
	}
	if err != nil {
		return nil, said(api.StageConnect, "the greeting", err, "Check that a mail server answers on this port; one that speaks TLS from the first byte needs security = \"tls\"")
	}
	if s.config.Security != "starttls" {
		return c, nil
	}
	if ok, _ := c.Extension("STARTTLS"); !ok {
		return nil, &api.Failure{Stage: api.StageTLS, What: s.server.String() + " offers no STARTTLS",
			Do: `Use the port for submission, 587, or security = "tls" with port 465`}
	}
	if err := errors.Join(reach.Extend(conn), c.StartTLS(reach.TLS(s.config.Server, s.config.Trust))); err != nil {
		return nil, reach.Untrusted(s.server, err)
	}
	if state, ok := c.TLSConnectionState(); ok {
		note(api.StageTLS, reach.Describe(state))
	}
	return c, nil
}

func (s *Sender) login(c *smtp.Client, note reach.Note) error {
	if s.config.User == "" {
		return nil
	}
	_, offered := c.Extension("AUTH")
	var way smtp.Auth
	switch {
	case strings.Contains(offered, "PLAIN"):
		way = smtp.PlainAuth("", s.config.User, s.password, s.config.Server, false)
	case strings.Contains(offered, "LOGIN"):
		way = smtp.LoginAuth(s.config.User, s.password, s.config.Server, false)
	default:
		return &api.Failure{Stage: api.StageLogin, What: fmt.Sprintf("%s offers no login that the box knows (it offers %q)", s.server, offered),
			Do: "Allow PLAIN or LOGIN on the server, or remove user and password if it takes mail of the box without"}
	}
	if err := c.Auth(way); err != nil {
		return said(api.StageLogin, fmt.Sprintf("user %q", s.config.User), err, "Correct user and password; some services want a password of its own for each application")
	}
	note(api.StageLogin, fmt.Sprintf("user %q is let in", s.config.User))
	return nil
}

// recipients names all, and returns how many were taken and what was said to those that
// were not; nil if all were.
func (s *Sender) recipients(c *smtp.Client, note reach.Note) (taken int, refused *api.Failure) {
	for _, to := range s.config.To {
		err := c.Rcpt("<" + to + ">")
		if err == nil {
			taken++
			note(api.StageRecipient, to+" is taken")
			continue
		}
		f := said(api.StageRecipient, to, err, "Correct to under [report.mail], or let the server take mail for that address")
		if refused == nil {
			refused = f
		} else {
			refused.What += "; " + f.What
		}
	}
	return taken, refused
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0
}

// said is what a server answered to what. An answer of 5xx to the message itself
// lasts (RFC 5321, 4.2.1).
func said(stage api.Stage, what string, err error, do string) *api.Failure {
	f := &api.Failure{Stage: stage, What: fmt.Sprintf("%s was not taken: %v", what, err), Do: do}
	var answer *textproto.Error
	if errors.As(err, &answer) {
		f.What = fmt.Sprintf("%s was refused: %q", what, fmt.Sprint(answer.Code, " ", letter.OneLine(answer.Msg)))
		f.Lasting = stage == api.StageMessage && answer.Code >= 500
	}
	return f
}
