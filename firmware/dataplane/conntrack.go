package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// conntrack is a raw netlink socket of the kernel's connection tracking. It is
// raw because events must be cheap: a library costs 60 us of CPU a connection,
// reading batches into one buffer 9 us.
type conntrack struct {
	fd     int
	buffer []byte
	seq    uint32
}

// Multicast groups of connection events.
const (
	eventsNew     = 1 << 0
	eventsUpdate  = 1 << 1
	eventsDestroy = 1 << 2
)

const headers = unix.SizeofNlMsghdr + 4 // and nfgenmsg

func openConntrack(groups uint32) (*conntrack, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open conntrack: %w", err)
	}
	c := &conntrack{fd: fd, buffer: make([]byte, 64<<10)}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("bind conntrack: %w", err), c.close())
	}
	// An answer that never comes must not hold the caller for ever.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return nil, errors.Join(fmt.Errorf("set timeout of conntrack: %w", err), c.close())
	}
	return c, nil
}

// close may be called twice: a descriptor closed again would be somebody
// else's by then.
func (c *conntrack) close() error {
	fd := c.fd
	if c.fd = -1; fd < 0 {
		return nil
	}
	return os.NewSyscallError("close conntrack", unix.Close(fd))
}

// messages calls fn for each message in b: its type, its flags and what comes
// after the netlink header.
func messages(b []byte, fn func(kind, flags uint16, body []byte)) {
	for len(b) >= unix.SizeofNlMsghdr {
		length := int(binary.NativeEndian.Uint32(b))
		if length < unix.SizeofNlMsghdr || length > len(b) {
			return
		}
		fn(binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), b[unix.SizeofNlMsghdr:length])
		b = b[min((length+3)&^3, len(b)):]
	}
}

// request appends a message of family ip; kind has the subsystem of netfilter in
// its high byte.
func (c *conntrack) request(b []byte, kind, flags uint16, body []byte) []byte {
	c.seq++
	b = binary.NativeEndian.AppendUint32(b, uint32(headers+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|flags)
	b = binary.NativeEndian.AppendUint32(b, c.seq)
	b = append(b, 0, 0, 0, 0, unix.AF_INET, unix.NFNETLINK_V0, 0, 0)
	return append(b, body...)
}

func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

// filter lets a dump see the entries whose marks have these bits where mask has ones.
// The zero filter lets it see all.
type filter struct{ bits, mask uint32 }

func ofNode(m Mark) filter { return filter{uint32(m), ^uint32(notes)} }

// dump calls fn for every entry that the filter lets it see. What fn is given is valid
// until it returns.
func (c *conntrack) dump(f filter, fn func(*connection)) error {
	var question []byte
	if f.mask != 0 {
		question = markAttributes(nil, f)
	}
	var conn connection
	err := c.ask(ctGet, unix.NLM_F_DUMP, question, func(kind uint16, body []byte) {
		if kind == ctSubsystem|ctNew {
			conn.parse(body)
			fn(&conn)
		}
	})
	if err != nil {
		return fmt.Errorf("dump conntrack: %w", err)
	}
	return nil
}

func markAttributes(b []byte, f filter) []byte {
	b = attribute(b, ctaMark, binary.BigEndian.AppendUint32(nil, f.bits))
	return attribute(b, ctaMarkMask, binary.BigEndian.AppendUint32(nil, f.mask))
}

// ask sends a question and calls see with the answers: their types, and what comes
// after the headers.
func (c *conntrack) ask(what, flags uint16, question []byte, see func(kind uint16, body []byte)) error {
	if err := unix.Sendto(c.fd, c.request(nil, ctSubsystem|what, flags, question), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for done := false; !done; {
		n, err := read(c.fd, c.buffer)
		if err != nil {
			return err
		}
		messages(c.buffer[:n], func(kind, _ uint16, body []byte) {
			switch {
			case kind == unix.NLMSG_DONE:
				done = true
			case kind == unix.NLMSG_ERROR:
				done, err = true, answer(body)
			case kind>>8 == unix.NFNL_SUBSYS_CTNETLINK && len(body) >= 4:
				see(kind, body[4:])
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// delete deletes entries and reports which of them were still there.
func (c *conntrack) delete(conns []connection) ([]bool, error) {
	there := make([]bool, len(conns))
	names := make([][]byte, len(conns))
	for i, conn := range conns {
		names[i] = conn.rawOriginal
	}
	answered := 0
	err := c.change(ctDelete, names,
		func(body []byte, i int) []byte {
			return attribute(body, ctaID, binary.BigEndian.AppendUint32(nil, conns[i].id))
		},
		func(failed error) error {
			there[answered] = failed == nil
			answered++
			if errors.Is(failed, unix.ENOENT) {
				return nil
			}
			return failed
		})
	if err != nil {
		return there, fmt.Errorf("delete from conntrack: %w", err)
	}
	return there, nil
}

// changesPerSend keeps the answers below the receive buffer of the socket.
const changesPerSend = 64

// change sends what is to become of each of the entries that are named by their tuples as
// they came, and calls heard with what the kernel says of each: ENOENT of one that is gone.
// It ends with the first error of heard.
func (c *conntrack) change(what uint16, names [][]byte, how func(body []byte, i int) []byte, heard func(error) error) error {
	for sent := 0; sent < len(names); {
		var b []byte
		waited := min(changesPerSend, len(names)-sent)
		for range waited {
			body := attribute(nil, ctaTupleOriginal|unix.NLA_F_NESTED, names[sent])
			b = c.request(b, ctSubsystem|what, unix.NLM_F_ACK, how(body, sent))
			sent++
		}
		if err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		for waited > 0 {
			n, err := read(c.fd, c.buffer)
			if err != nil {
				return err
			}
			messages(c.buffer[:n], func(kind, _ uint16, body []byte) {
				if kind != unix.NLMSG_ERROR {
					return
				}
				waited--
				if failed := heard(answer(body)); err == nil {
					err = failed
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func answer(body []byte) error {
	if len(body) < 4 {
		return unix.EBADMSG
	}
	if code := int32(binary.NativeEndian.Uint32(body)); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

func read(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}
