package syslog

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
	"spoolgate/firmware/report/reach"
)

// stream is a connection that can say that nothing more comes.
type stream interface {
	net.Conn
	CloseWrite() error
}

// await returns in words how a message was taken whose end was sent. Syslog has no
// answers (RFC 6587, 3.1; RFC 5425, 4.3), so what can be known is what TCP says:
//
//   - the server ends the connection, and its machine has acknowledged the last byte: it
//     has read everything, as a machine that closes with something unread resets;
//   - it resets the connection, as one does that died, was stopped with the message
//     unread, or closes to whom it does not know: the message is lost, and sent again;
//   - it does neither, as some servers and relays keep every connection: its machine
//     has acknowledged the last byte, and nobody can know more. To send it again would
//     only make it come twice;
//   - its machine acknowledges nothing: it went, or the way to it. The message is sent
//     again.
//
// What is lost unseen is a message that the machine has, and that a server which
// keeps its connections never reads.
func (s *Sender) await(from stream, conn *net.TCPConn) (string, error) {
	for end := time.Now().Add(s.patience); ; {
		if err := from.SetReadDeadline(time.Now().Add(s.linger)); err != nil {
			return "", lost(s.server, err)
		}
		_, open := io.Copy(io.Discard, from)
		if open != nil && !isTimeout(open) {
			return "", lost(s.server, open)
		}
		left, err := unacknowledged(conn)
		switch {
		case err != nil:
			return "", lost(s.server, err)
		case left == 0 && open == nil:
			return "the server took it and ended the connection", nil
		case left == 0:
			return "the server's machine has it all; the server keeps the connection open and does not say whether it read it, so look there", nil
		case time.Now().After(end):
			return "", silent(s.server, s.patience)
		case open == nil:
			time.Sleep(glance) // an acknowledgement wakes nobody up
		}
	}
}

// glance is the time between two looks at what is acknowledged.
const glance = 10 * time.Millisecond

// unacknowledged is how many bytes the other machine has not confirmed, the end of
// the connection among them (tcp(7), SIOCOUTQ). The error is why it never will: a
// reset that came after the end of the connection is not seen by who reads.
func unacknowledged(conn *net.TCPConn) (left int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var asked error
	err = raw.Control(func(fd uintptr) {
		var broken int
		if broken, asked = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); asked == nil && broken != 0 {
			asked = unix.Errno(broken)
		}
		if asked == nil {
			left, asked = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		}
	})
	return left, errors.Join(err, asked)
}

func lost(s reach.Server, err error) error {
	if isTimeout(err) {
		return silent(s, reach.Patience)
	}
	return &api.Failure{Stage: api.StageMessage, What: fmt.Sprintf("%s ended the connection before it had the message: %v", s, err),
		Do: "Look at the log of the log server: it may not allow this sender, want a certificate of the sender, or expect another transport on this port"}
}

func silent(s reach.Server, waited time.Duration) error {
	return &api.Failure{Stage: api.StageMessage, What: fmt.Sprintf("%s accepted the connection and has not confirmed the message for %v", s, waited.Round(time.Second)),
		Do: "Check that the server is on and the cable is in, and that no firewall in between drops what is sent after the connection was made"}
}
