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
// few, and what becomes of the connection is the only sign that the server has it.
type Sender struct {
	config config.Syslog
	server reach.Server
	// linger is how long a server may take to end the connection, or to reset it,
	// once it has the whole message. patience is the time for its machine to
	// acknowledge the message.
	linger, patience time.Duration
}

// linger is short, as each message to a server that keeps its connections open takes
// that long; and shorter than what a message under way has when reportd ends, or that
// one came twice.
const linger = 2 * time.Second

// New returns a sender as configured.
func New(c config.Syslog) *Sender {
	return &Sender{config: c, server: reach.Server{Name: c.Server, Port: c.Port}, linger: linger, patience: reach.Patience}
}

// Target is where it goes.
func (s *Sender) Target() string { return s.server.String() + " over " + s.config.Transport }

// Confirms is whether the server, or its machine, says that it has a message.
func (s *Sender) Confirms() bool { return s.config.Transport != "udp" }

// Send brings one message to the server.
func (s *Sender) Send(ctx context.Context, m letter.Message, note reach.Note) error {
	text := format(m)
	if !s.Confirms() {
		return s.datagram(ctx, text, note)
	}
	conn, err := s.server.Dial(ctx, "tcp", note)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var to stream = conn.(*net.TCPConn)
	if s.config.Transport == "tls" {
		if to, err = s.server.Secure(ctx, conn, s.config.Trust, note); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(to, "%d %s", len(text), text); err != nil {
		return lost(s.server, err)
	}
	if err := to.CloseWrite(); err != nil {
		return lost(s.server, err)
	}
	how, err := s.await(to, conn.(*net.TCPConn))
	if err != nil {
		return err
	}
	note(api.StageMessage, how)
	return nil
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
