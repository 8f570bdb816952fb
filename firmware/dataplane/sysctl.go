package dataplane

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// establishedTimeout is the kernel's default for established connections; an
// affinity above it raises it, none lowers it.
const establishedTimeout = 5 * 24 * time.Hour

// closedTimeout is how long the kernel remembers a connection after both FINs or a
// RST.
const closedTimeout = 10 * time.Second

// prepareKernel sets what the rules rely on, in the calling thread's network
// namespace, and returns the open sysctl of the established timeout. Settings
// of interfaces (redirects, ARP, rp_filter) belong to package network.
func prepareKernel() (*os.File, error) {
	for _, s := range [...]struct{ key, value string }{
		// The box forwards between printers and nodes.
		{"ipv4/ip_forward", "1"},
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
		{"netfilter/nf_conntrack_tcp_timeout_close", strconv.Itoa(int(closedTimeout.Seconds()))},
	} {
		if err := os.WriteFile("/proc/sys/net/"+s.key, []byte(s.value), 0); err != nil {
			return nil, fmt.Errorf("set sysctl net/%s to %s: %w", s.key, s.value, err)
		}
	}
	f, err := os.OpenFile("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open timeout of established connections: %w", err)
	}
	return f, nil
}

// allowWindows keeps the timeout of established connections above every
// group's affinity: a connection must not be forgotten before its client.
func (t *Table) allowWindows(l Layout) error {
	if t.established == nil {
		return os.ErrClosed
	}
	timeout := establishedTimeout
	for _, g := range l.Groups {
		timeout = max(timeout, g.Affinity+time.Minute)
	}
	if _, err := t.established.WriteAt([]byte(strconv.Itoa(int(timeout.Seconds()))), 0); err != nil {
		return fmt.Errorf("set timeout of established connections to %s: %w", timeout, err)
	}
	return nil
}
