package supervise

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mail is one datagram with what the kernel says about its sender.
type mail struct {
	service   string
	pid       int
	uid       uint32
	message   Message
	files     []*os.File // whoever takes the mail closes or keeps them
	anonymous bool       // the kernel told no sender
	mark      bool       // our own, see mailbox.mark
}

func (m mail) close() {
	for _, f := range m.files {
		f.Close()
	}
}

// mailbox is the NOTIFY_SOCKET of one service.
type mailbox struct {
	path string
	conn *net.UnixConn
}

func openMailbox(dir, service string, uid uint32) (*mailbox, error) {
	path := filepath.Join(dir, service)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	b := &mailbox{path: path, conn: conn}
	if err := b.protect(uid); err != nil {
		conn.Close()
		return nil, fmt.Errorf("notify socket %s: %w", path, err)
	}
	return b, nil
}

func (b *mailbox) protect(uid uint32) error {
	raw, err := b.conn.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	}); err != nil {
		return err
	}
	if serr != nil {
		return serr
	}
	if err := os.Chown(b.path, int(uid), -1); err != nil {
		return err
	}
	return os.Chmod(b.path, 0o600)
}

// read delivers what comes until the mailbox is closed.
func (b *mailbox) read(service string, deliver func(mail)) error {
	body := make([]byte, 8192)
	// 253 is SCM_MAX_FD: with room for all of them none can stay in the socket.
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4*253))
	for {
		n, oobn, _, _, err := b.conn.ReadMsgUnix(body, oob)
		if err != nil {
			return fmt.Errorf("notify socket of %s: %w", service, err)
		}
		m := mail{service: service, message: ParseMessage(body[:n]), anonymous: true}
		m.readControl(oob[:oobn])
		m.mark = m.pid == os.Getpid() && string(body[:n]) == markText
		deliver(m)
	}
}

func (m *mail) readControl(oob []byte) {
	parts, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for _, part := range parts {
		if cred, err := unix.ParseUnixCredentials(&part); err == nil {
			m.pid, m.uid, m.anonymous = int(cred.Pid), cred.Uid, false
			continue
		}
		fds, err := unix.ParseUnixRights(&part)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			m.files = append(m.files, os.NewFile(uintptr(fd), m.message.FDName))
		}
	}
}

const markText = "SPOOLGATE_MARK=1"

// mark puts a datagram of our own behind all that are in the mailbox. It never
// waits: with a full mailbox it fails.
func (b *mailbox) mark() error {
	raw, err := b.conn.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		serr = unix.Sendto(int(fd), []byte(markText), unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: b.path})
	}); err != nil {
		return err
	}
	return serr
}
