package dataplane

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// establishedTimeout is the kernel's default for established connections; an
// affinity above it raises it, none lowers it.
const establishedTimeout = 5 * 24 * time.Hour

// givesUp is how long TCP repeats itself before it gives up: 924 s on Linux with the
// usual 15 repetitions. The kernel's own 5 minutes would forget a connection that
// goes on when a cable is back after six.
const givesUp = 16 * time.Minute

// closedTimeout is how long the kernel remembers a connection after both FINs or a
// RST.
const closedTimeout = 10 * time.Second

// unansweredTimeout is how long the kernel remembers a first packet without an
// answer, and the box counts it; halfOpenTimeout the same of one whose answer is not
// confirmed. Each repetition begins it anew: those of a client come after 1, 2, 4 and
// 8 s. The kernel's own are 2 minutes and 1.
const (
	unansweredTimeout = 10 * time.Second
	halfOpenTimeout   = 20 * time.Second
)

// prepareKernel sets what the rules rely on, in the calling thread's network
// namespace, and returns the open sysctls of timeouts. Settings of interfaces
// (redirects, ARP, rp_filter) belong to package network.
func prepareKernel() (*timeouts, error) {
	for _, s := range [...]struct{ key, value string }{
		// The box forwards between printers and nodes.
		{"ipv4/ip_forward", "1"},
		// Nearly all packets are others': to look for a socket of the box for each, before
		// its route, is a cost without a gain (Documentation/networking/ip-sysctl.rst).
		{"ipv4/ip_early_demux", "0"},
		// Packets without a connection are orphans to be reset, never the start
		// of a connection that was tracked nowhere.
		{"netfilter/nf_conntrack_tcp_loose", "0"},
		// A late segment outside the window must not count as an orphan: the
		// reset would end a live connection.
		{"netfilter/nf_conntrack_tcp_be_liberal", "1"},
		// With the default (2) connections that begin while nobody listens never
		// report their end, and are counted as open for ever after a restart.
		{"netfilter/nf_conntrack_events", "1"},
		// How much a connection carried and how long it took: what a help desk
		// asks of a scan that went wrong.
		{"netfilter/nf_conntrack_acct", "1"},
		{"netfilter/nf_conntrack_timestamp", "1"},
		// Entries of closed connections hold source ports of masked groups.
		{"netfilter/nf_conntrack_tcp_timeout_time_wait", strconv.Itoa(int(closedTimeout.Seconds()))},
		// First packets that nobody follows up hold an entry each, and a source port of
		// masked groups.
		{"netfilter/nf_conntrack_tcp_timeout_syn_sent", strconv.Itoa(int(unansweredTimeout.Seconds()))},
		{"netfilter/nf_conntrack_tcp_timeout_syn_recv", strconv.Itoa(int(halfOpenTimeout.Seconds()))},
		{"netfilter/nf_conntrack_tcp_timeout_max_retrans", strconv.Itoa(int(givesUp.Seconds()))},
		{"netfilter/nf_conntrack_tcp_timeout_unacknowledged", strconv.Itoa(int(givesUp.Seconds()))},
		{"netfilter/nf_conntrack_tcp_timeout_close", strconv.Itoa(int(closedTimeout.Seconds()))},
	} {
		if err := os.WriteFile("/proc/sys/net/"+s.key, []byte(s.value), 0); err != nil {
			return nil, fmt.Errorf("set sysctl net/%s to %s: %w", s.key, s.value, err)
		}
	}
	return openTimeouts()
}

// timeouts are the sysctls of connections that are open, whole or half: one end may
// have said all that it has to say, and wait for the answer.
type timeouts struct{ established, finWait, closeWait *os.File }

func openTimeouts() (*timeouts, error) {
	t := &timeouts{}
	for name, f := range map[string]**os.File{"established": &t.established, "fin_wait": &t.finWait, "close_wait": &t.closeWait} {
		var err error
		if *f, err = os.OpenFile("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_"+name, os.O_WRONLY, 0); err != nil {
			return nil, errors.Join(fmt.Errorf("open timeout of connections: %w", err), t.close())
		}
	}
	return t, nil
}

func (t *timeouts) close() error {
	var errs []error
	for _, f := range []*os.File{t.established, t.finWait, t.closeWait} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// allowWindows keeps the timeouts of open connections above every group's affinity: a
// connection must not be forgotten before its client.
func (t *Table) allowWindows(l Layout) error {
	if t.timeouts == nil {
		return os.ErrClosed
	}
	longest := time.Duration(0)
	for _, g := range l.Groups {
		longest = max(longest, g.Affinity+time.Minute)
	}
	for f, timeout := range map[*os.File]time.Duration{
		t.timeouts.established: max(establishedTimeout, longest), t.timeouts.finWait: longest, t.timeouts.closeWait: longest,
	} {
		if timeout == 0 {
			continue
		}
		if _, err := f.WriteAt([]byte(strconv.Itoa(int(timeout.Seconds()))), 0); err != nil {
			return fmt.Errorf("set %s to %s: %w", f.Name(), timeout, err)
		}
	}
	return nil
}
