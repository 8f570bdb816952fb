// Package webhook posts reports as JSON over HTTPS, signed, in the form that the
// receiver wants.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/reach"
)

// SignatureHeader has "t=TIME,sha256=HEX": seconds since 1970, and the HMAC-SHA256
// with the shared secret of TIME, a dot and the body. A receiver refuses a TIME that
// is some minutes old, so that nobody can replay what was sent.
const SignatureHeader = "Spoolgate-Signature"

// NumberHeader has the number of the report, the same when it is sent again.
const NumberHeader = "Spoolgate-Report"

// Sender posts to one address.
type Sender struct {
	config config.Webhook
	url    *url.URL
	secret string
	now    func() time.Time
	server reach.Server
}

// New returns a sender as configured, with address and secret opened.
func New(c config.Webhook, address, secret string, now func() time.Time) (*Sender, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		// The address is a secret: what is wrong with it is not repeated.
		return nil, &api.Failure{Stage: api.StagePassword, What: "the address of the webhook is none that begins with https://",
			Do: "Write url as the service shows it", Lasting: true}
	}
	port := uint64(443)
	if p := u.Port(); p != "" {
		if port, err = strconv.ParseUint(p, 10, 16); err != nil {
			return nil, &api.Failure{Stage: api.StagePassword, What: "the port of the webhook is none", Do: "Write url as the service shows it", Lasting: true}
		}
	}
	return &Sender{config: c, url: u, secret: secret, now: now, server: reach.Server{Name: u.Hostname(), Port: uint16(port)}}, nil
}

// Target is where it goes: the server alone, as who has the whole address can post.
func (s *Sender) Target() string { return s.server.String() + ", in the form of " + s.config.Format }

// Confirms is true: the server answers each post.
func (s *Sender) Confirms() bool { return true }

// Send posts one message.
func (s *Sender) Send(ctx context.Context, m letter.Message, note reach.Note) error {
	body, err := render(s.config.Format, m)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Spoolgate")
	request.Header.Set(NumberHeader, strconv.FormatUint(m.Event.Seq, 10))
	if s.secret != "" {
		request.Header.Set(SignatureHeader, Sign(s.secret, s.now(), body))
	}
	// A client of its own for each message: no connection stays open to a service
	// that hears from the box once a month.
	client := &http.Client{
		Transport:     &http.Transport{DialTLSContext: s.dial(note), ResponseHeaderTimeout: reach.Patience, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		var f *api.Failure
		if errors.As(err, &f) {
			return f
		}
		var named *url.Error // has the address in its words
		if errors.As(err, &named) {
			err = named.Err
		}
		return &api.Failure{Stage: api.StageMessage, What: fmt.Sprintf("%s did not answer the post: %v", s.server, err), Do: "Look at the log of that service"}
	}
	defer answer.Body.Close()
	words, _ := io.ReadAll(io.LimitReader(answer.Body, 300))
	return s.judge(answer, letter.OneLine(string(words)), note)
}

func (s *Sender) dial(note reach.Note) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := s.server.Dial(ctx, "tcp", note)
		if err != nil {
			return nil, err
		}
		secured, err := s.server.Secure(ctx, conn, s.config.Trust, note)
		if err != nil {
			conn.Close()
			return nil, err
		}
		return secured, nil
	}
}

// judge reads the status of an answer.
func (s *Sender) judge(answer *http.Response, words string, note reach.Note) error {
	said := strings.TrimSpace(answer.Status + " " + words)
	fail := func(stage api.Stage, lasting bool, do string) error {
		return &api.Failure{Stage: stage, What: fmt.Sprintf("%s answered %q", s.server, said), Do: do, Lasting: lasting}
	}
	switch code := answer.StatusCode; {
	case code < 300:
		note(api.StageMessage, "the service took it: "+said)
		return nil
	case code < 400:
		return fail(api.StageRecipient, false, "The address has moved, and reports are not sent to where somebody else points: write the new address as url")
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fail(api.StageLogin, false, "Check the address, and that secret is the one that the receiver has")
	case code == http.StatusNotFound, code == http.StatusGone, code == http.StatusMethodNotAllowed:
		return fail(api.StageRecipient, false, "There is no webhook at this address any more: make a new one in the service, and write its address as url")
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return fail(api.StageMessage, false, "The service is busy or out of order; it is tried again")
	}
	return fail(api.StageMessage, true, "Check that format is the one that this service wants")
}

// Sign returns the value of SignatureHeader.
func Sign(secret string, at time.Time, body []byte) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := hmac.New(sha256.New, []byte(secret))
	sum.Write([]byte(stamp + "."))
	sum.Write(body)
	return "t=" + stamp + ",sha256=" + hex.EncodeToString(sum.Sum(nil))
}
