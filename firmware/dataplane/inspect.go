package dataplane

import (
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Connection is one connection of a client, for people to look at.
type Connection struct {
	VirtualAddress, Client netip.Addr
	// Port is the port of the virtual address.
	Port uint16
	Mark Mark
	// SeenAs is the address under which the node sees the client.
	SeenAs netip.Addr
	// Related is a data connection of the FTP helper.
	Related bool
	Began   time.Time
	Ended   time.Time // zero while it is open
	// Sent and Received are bytes from and to the client, headers included.
	Sent, Received uint64
}

// EachConnection calls see for each open connection of a group; what its node has not
// answered is none. It reads all that the kernel tracks, over a socket of its own:
// nothing else waits for it.
func EachConnection(see func(Connection)) (err error) {
	c, err := openConntrack(0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	return c.dump(filter{}, func(conn *connection) {
		if conn.ours() && conn.answered() && !conn.over() {
			see(conn.describe())
		}
	})
}

func (c *connection) describe() Connection {
	// The kernel remembers a closed connection for a while, and means that end; it
	// counts the while in ticks of some milliseconds.
	if c.over() && !c.ended.IsZero() {
		if c.ended = c.ended.Add(-closedTimeout); c.ended.Before(c.began) {
			c.ended = c.began
		}
	}
	return Connection{
		VirtualAddress: c.original.destination, Client: c.original.source,
		Port: c.original.destinationPort, Mark: c.mark, SeenAs: c.reply.destination, Related: c.status&statusExpected != 0,
		Began: c.began, Ended: c.ended, Sent: c.sent, Received: c.received,
	}
}

// much is how many bytes make a connection one that carried a file and not just
// words of a terminal.
const much = 64 << 10

// carried tells whether a connection that ended is worth remembering: FTP data
// however small, and others that carried much.
func (c *connection) carried() bool {
	return c.original.protocol == unix.IPPROTO_TCP && (c.status&statusExpected != 0 || c.sent+c.received >= much)
}
