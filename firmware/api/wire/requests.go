package wire

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"

	"spoolgate/firmware/api"
)

// Snapshot returns the state of the balancer.
func (c *Client) Snapshot(ctx context.Context) (s api.Snapshot, err error) {
	return s, c.do(ctx, http.MethodGet, "/v1/snapshot", nil, &s)
}

// Snapshots yields the state now and at each change, at least every second,
// until ctx ends or the daemon does; the error comes last. A daemon that says
// nothing for 10 s hangs, and counts as ended.
func (c *Client) Snapshots(ctx context.Context) iter.Seq2[api.Snapshot, error] {
	return stream[api.Snapshot](ctx, c, "/v1/snapshots", everySecond)
}

// Network returns the addresses of the box. The client is one of netd's socket.
func (c *Client) Network(ctx context.Context) (n api.Network, err error) {
	return n, c.do(ctx, http.MethodGet, "/v1/network", nil, &n)
}

// Process returns what a daemon says of itself. Each one answers this.
func (c *Client) Process(ctx context.Context) (p api.Process, err error) {
	return p, c.do(ctx, http.MethodGet, "/v1/process", nil, &p)
}

// Events returns the kept events after the sequence number seq.
func (c *Client) Events(ctx context.Context, seq uint64) (e []api.Event, err error) {
	return e, c.do(ctx, http.MethodGet, "/v1/events?after="+strconv.FormatUint(seq, 10), nil, &e)
}

// FollowEvents yields the kept events after seq and then each new one.
func (c *Client) FollowEvents(ctx context.Context, seq uint64) iter.Seq2[api.Event, error] {
	return stream[api.Event](ctx, c, "/v1/events?follow=1&after="+strconv.FormatUint(seq, 10), atChanges)
}

// Incidents returns the incidents that last, the gravest first, and then the last
// ones that are over.
func (c *Client) Incidents(ctx context.Context) (i []api.Incident, err error) {
	return i, c.do(ctx, http.MethodGet, "/v1/incidents", nil, &i)
}

// FollowReports yields the kept reports after the number seq and then each new one.
// Numbers go on over restarts of the balancer. A gap before the first means that
// reports were no longer kept; between two it is numbers that were never given.
func (c *Client) FollowReports(ctx context.Context, seq uint64) iter.Seq2[api.Report, error] {
	return stream[api.Report](ctx, c, "/v1/reports?follow=1&after="+strconv.FormatUint(seq, 10), atChanges)
}

// Reporters returns how far each reporter has come. The client is one of reportd's
// socket, as it is for TestReporter.
func (c *Client) Reporters(ctx context.Context) (l []api.Reporter, err error) {
	return l, c.do(ctx, http.MethodGet, "/v1/reporters", nil, &l)
}

// TestReporter sends a test message by one reporter and returns how far it came,
// which can take two minutes.
func (c *Client) TestReporter(ctx context.Context, name string) (t api.ReportTest, err error) {
	return t, c.within(testPatience).do(ctx, http.MethodPost, "/v1/reporters/"+url.PathEscape(name)+"/test", nil, &t)
}

// Clients returns the bound MFDs that query finds: an address, a prefix, the
// name of a node, or all of them for "".
func (c *Client) Clients(ctx context.Context, query string) (l []api.BoundClient, err error) {
	return l, c.do(ctx, http.MethodGet, "/v1/clients?query="+url.QueryEscape(query), nil, &l)
}

// MFD returns everything that is known of one MFD.
func (c *Client) MFD(ctx context.Context, a netip.Addr) (m api.MFD, err error) {
	return m, c.do(ctx, http.MethodGet, "/v1/mfds/"+a.String(), nil, &m)
}

// Names returns what the site's name servers say of groups and nodes.
func (c *Client) Names(ctx context.Context) (n api.Names, err error) {
	return n, c.do(ctx, http.MethodGet, "/v1/names", nil, &n)
}

// LookUp asks the site's name servers for the name of an address, and whether that
// leads back to it.
func (c *Client) LookUp(ctx context.Context, a netip.Addr) (n api.NameCheck, err error) {
	return n, c.within(lookUpPatience).do(ctx, http.MethodGet, "/v1/names/"+a.String(), nil, &n)
}

// Proof holds the requirement against what is seen now.
func (c *Client) Proof(ctx context.Context) (p api.Proof, err error) {
	return p, c.do(ctx, http.MethodGet, "/v1/proof", nil, &p)
}

// Rehearse tells what would follow if a node left now.
func (c *Client) Rehearse(ctx context.Context, group, node string) (r api.Rehearsal, err error) {
	return r, c.do(ctx, http.MethodGet, nodePath(group, node)+"/rehearsal", nil, &r)
}

// Probes returns the last probes of each port of a node.
func (c *Client) Probes(ctx context.Context, group, node string) (p []api.PortProbes, err error) {
	return p, c.do(ctx, http.MethodGet, nodePath(group, node)+"/probes", nil, &p)
}

// Flights returns the last probes of a node as they were on the wire.
func (c *Client) Flights(ctx context.Context, group, node string) (f api.Flights, err error) {
	return f, c.do(ctx, http.MethodGet, nodePath(group, node)+"/flights", nil, &f)
}

// Pcap writes the packets of the last probes of a node, as a file that tcpdump and
// Wireshark read.
func (c *Client) Pcap(ctx context.Context, group, node string, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, nodePath(group, node)+"/pcap", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("packets of %s from %s: %w", node, c.path, err)
	}
	return nil
}

// Services returns the Windows services that a node has.
func (c *Client) Services(ctx context.Context, group, node string) (s []api.FoundService, err error) {
	return s, c.do(ctx, http.MethodGet, nodePath(group, node)+"/services", nil, &s)
}

// ProbeNow has a node probed at once, ahead of its schedule.
func (c *Client) ProbeNow(ctx context.Context, group, node string) (d api.Done, err error) {
	return d, c.do(ctx, http.MethodPost, nodePath(group, node)+"/probe", nil, &d)
}

// Reload has a balancer or a netd read its configuration again.
func (c *Client) Reload(ctx context.Context) (d api.Done, err error) {
	return d, c.do(ctx, http.MethodPost, "/v1/reload", nil, &d)
}

// Acknowledge tells that somebody stands at the box and knows of its alarm.
func (c *Client) Acknowledge(ctx context.Context) (d api.Done, err error) {
	return d, c.do(ctx, http.MethodPost, "/v1/acknowledge", nil, &d)
}

// Drain takes a node out of service.
func (c *Client) Drain(ctx context.Context, group, node string, r api.DrainRequest) (d api.Done, err error) {
	return d, c.do(ctx, http.MethodPost, nodePath(group, node)+"/drain", r, &d)
}

// Return brings a node back into service.
func (c *Client) Return(ctx context.Context, group, node string) (d api.Done, err error) {
	return d, c.do(ctx, http.MethodPost, nodePath(group, node)+"/return", nil, &d)
}

// Move binds an MFD to another node from its next connection on.
func (c *Client) Move(ctx context.Context, group string, mfd netip.Addr, node string) (d api.Done, err error) {
	return d, c.do(ctx, http.MethodPost, clientPath(group, mfd)+"/move", api.MoveRequest{Node: node}, &d)
}

// Forget unbinds an MFD: its next connection is a first contact.
func (c *Client) Forget(ctx context.Context, group string, mfd netip.Addr) (d api.Done, err error) {
	return d, c.do(ctx, http.MethodDelete, clientPath(group, mfd), nil, &d)
}

func nodePath(group, node string) string {
	return "/v1/groups/" + url.PathEscape(group) + "/nodes/" + url.PathEscape(node)
}

func clientPath(group string, mfd netip.Addr) string {
	return "/v1/groups/" + url.PathEscape(group) + "/clients/" + mfd.String()
}

// Panels yields what the front panel shows, now and at each change. The client
// is one of paneld's socket.
func (c *Client) Panels(ctx context.Context) iter.Seq2[api.Panel, error] {
	return stream[api.Panel](ctx, c, "/v1/panels", atChanges)
}
