// Package supervise starts the daemons of the box and keeps them running. It is
// the other end of what systemd calls Type=notify and socket activation, so
// that the same programs run under systemd (sd_notify(3), sd_listen_fds(3)).
//
// Parties: the supervisor (root, PID 1) trusts a Spec, which is data of the
// image. It does not trust a daemon: a message counts only when the kernel says
// that it comes from the daemon's own process and user, descriptors that were
// not asked for are closed, what is kept is capped, and a daemon can at worst
// get itself killed and started again.
//
// Machine holds the rules and touches nothing; Supervisor owns the processes.
package supervise

import (
	"io/fs"
	"time"
)

// Spec is what is asked of one service.
type Spec struct {
	Name string
	Argv []string // Argv[0] is an absolute path
	Env  []string // beside those that the supervisor sets

	UID, GID uint32
	Groups   []uint32 // supplementary
	// Caps are the only capabilities the service can ever have: ambient,
	// permitted, inheritable and bounding set. A service of UID 0 keeps all.
	Caps []Cap

	// Sockets are opened before the first start and outlive every process of
	// the service: a connection made while it restarts waits in the backlog.
	Sockets []Socket
	// KeepFDs is how many descriptors the service may leave with the
	// supervisor (FDSTORE); 0 means none.
	KeepFDs int

	// Asks are what the service may ask for about the whole box (X_SPOOLGATE_ASK,
	// our own field of the protocol); anything else it asks for is ignored.
	Asks []string

	// Console is a terminal that becomes the service's input, output and
	// controlling terminal; empty means none. A service with a console does not
	// speak the notify protocol: it is Running once started.
	Console string

	// Critical services must be alive for the hardware watchdog to be fed.
	Critical bool
	Timing   Timing
}

// Timing is the patience the supervisor has with a service. Zero values are
// replaced as DefaultTiming says, except Watchdog, where 0 means none.
type Timing struct {
	Start    time.Duration // from start to READY; then SIGTERM
	Watchdog time.Duration // between two WATCHDOG=1; then SIGABRT
	Abort    time.Duration // from SIGABRT to SIGKILL; leaves time to dump goroutines
	Stop     time.Duration // from SIGTERM to SIGKILL
	// FirstDelay is the pause before the first restart. It doubles with every
	// further failure up to MaxDelay and is FirstDelay again after the service
	// was Running for Steady. There is no number of failures after which it is
	// given up: nobody stands beside the box to start it.
	FirstDelay, MaxDelay, Steady time.Duration
}

// DefaultTiming is used for what a Spec leaves at zero.
func DefaultTiming() Timing {
	return Timing{
		Start:      90 * time.Second, // systemd's; a busy box that kills what is starting only gets busier
		Abort:      2 * time.Second,
		Stop:       5 * time.Second,
		FirstDelay: 100 * time.Millisecond,
		MaxDelay:   15 * time.Second,
		Steady:     time.Minute,
	}
}

func (t Timing) withDefaults() Timing {
	d := DefaultTiming()
	for _, p := range []struct{ v, d *time.Duration }{
		{&t.Start, &d.Start}, {&t.Abort, &d.Abort}, {&t.Stop, &d.Stop},
		{&t.FirstDelay, &d.FirstDelay}, {&t.MaxDelay, &d.MaxDelay}, {&t.Steady, &d.Steady},
	} {
		if *p.v == 0 {
			*p.v = *p.d
		}
	}
	return t
}

// Socket is a listening socket that the supervisor opens for a service.
type Socket struct {
	Name    string // in LISTEN_FDNAMES
	Network string // "unix" or "tcp"
	Address string // a path, or "host:port" with an empty host for all
	// Mode and GID are of a unix socket's file; its owner is the service.
	Mode fs.FileMode
	GID  uint32
	// Device binds a tcp socket to one network interface (SO_BINDTODEVICE);
	// empty means all.
	Device string
}
