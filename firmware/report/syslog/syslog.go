// Package syslog sends reports to a log server: RFC 5424 over UDP (RFC 5426), TCP
// (RFC 6587, octet counting) and TLS (RFC 5425).
package syslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/reach"
)

// Sender sends to one server. Each message has a connection of its own: there are
// few, and the end of the connection is the only sign that the server has it.
type Sender struct {
	config config.Syslog
	server reach.Server
}

// New returns a sender as configured.
func New(c config.Syslog) *Sender {
	return &Sender{config: c, server: reach.Server{Name: c.Server, Port: c.Port}}
}

// Target is where it goes.
func (s *Sender) Target() string { return s.server.String() + " over " + s.config.Transport }

// Send brings one message to the server.
func (s *Sender) Send(ctx context.Context, m letter.Message, note reach.Note) error {
	text := format(m)
	if s.config.Transport == "udp" {
		return s.datagram(ctx, text, note)
	}
	conn, err := s.server.Dial(ctx, "tcp", note)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	stream := conn.(interface {
		net.Conn
		CloseWrite() error
	})
	if s.config.Transport == "tls" {
		if stream, err = s.server.Secure(ctx, conn, s.config.Trust, note); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(stream, "%d %s", len(text), text); err != nil {
		return lost(s.server, err)
	}
	// A server that has read all ends the connection too; one that died, or whose
	// queue is closed, resets it.
	if err := stream.CloseWrite(); err != nil {
		return lost(s.server, err)
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return lost(s.server, err)
	}
	note(api.StageMessage, "the server took it and ended the connection")
	return nil
}

func lost(s reach.Server, err error) error {
	return &api.Failure{Stage: api.StageMessage, What: fmt.Sprintf("%s ended the connection before it had the message: %v", s, err),
		Do: "Look at the log of the log server: it may not allow this sender, want a certificate of the sender, or expect another transport on this port"}
}

// refusalTime is how long a machine where nobody listens may take to say so.
const refusalTime = 300 * time.Millisecond

func (s *Sender) datagram(ctx context.Context, text string, note reach.Note) error {
	conn, err := s.server.Dial(ctx, "udp", note)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err = io.WriteString(conn, text); err == nil {
		err = conn.SetReadDeadline(time.Now().Add(refusalTime))
	}
	if err == nil {
		// Nothing is ever answered, but by the machine, when nobody listens there.
		_, err = conn.Read(make([]byte, 1))
	}
	if errors.Is(err, syscall.ECONNREFUSED) || err != nil && !isTimeout(err) {
		return reach.Unconnected(s.server, err)
	}
	note(api.StageMessage, "it was sent; over UDP nobody says whether it arrived, so look on the server")
	return nil
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
