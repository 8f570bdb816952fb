// Package event is what happened: typed events, and the log that keeps the
// last of them for people and for those who follow.
package event

import "spoolgate/firmware/api"

// Kinds of events. The first word is what it happened to. That an MFD is bound at its
// first contact is none: a site has hundreds an hour, and who is where is asked for.
const (
	Started          = "balancer.started"  // this daemon began, and what it found
	ConfigChanged    = "config.changed"    //
	ConfigRefused    = "config.refused"    // a changed file has problems; the old one goes on
	ConfigPlain      = "config.plain"      // a password in it is not encrypted
	NodeHealth       = "node.health"       // Up, Checking, Starting, Down
	NodeService      = "node.service"      // In service, Draining, Out of service
	NodeServices     = "node.services"     // Windows services can't be judged, or can again
	NodeCut          = "node.cut"          // connections of a node that left were cut
	NodeStart        = "node.start"        // a node started, and how long it took
	NodeStubborn     = "node.stubborn"     // repeats its SYN-ACK after our RST
	GroupState       = "group.state"       // OK, No spare, Nothing serving
	GroupUnreached   = "group.unreached"   // MFDs do not reach the box at the group's virtual address
	GroupDisputed    = "group.disputed"    // another machine claims the virtual address, too
	ClientMoved      = "client.moved"      // an MFD changed nodes, and why
	ClientForgotten  = "client.forgotten"  //
	ClientFault      = "client.fault"      // an MFD changed nodes for no known reason
	Acknowledged     = "box.acknowledged"  // somebody pressed the button of the panel
	BoxSuspicion     = "box.suspicion"     // every probe fails: it is probably the box
	Resynchronised   = "kernel.resync"     // connection events were lost and counted anew
	KernelFault      = "kernel.fault"      // the kernel refused a change
	JournalFault     = "journal.fault"     // who-is-where could not be read or written
	ClientLimit      = "client.limit"      // an MFD has as many connections as one may have
	BoxNewcomers     = "box.newcomers"     // more unknown addresses call than are let in
	BoxBindings      = "box.bindings"      // no room for another MFD, or hardly any
	BoxConnections   = "box.connections"   // no room for another connection, or hardly any
	NameForward      = "naming.forward"    // a name does not lead to its address
	NameReverse      = "naming.reverse"    // an address does not lead to its name
	NameServers      = "naming.servers"    // the site's name servers do not answer
	EventsFault      = "events.fault"      // what happens could not be kept on the medium
	ServiceRestarted = "service.restarted" // init restarted a daemon, and why
	IncidentNoticed  = "incident.noticed"  // a trouble is still there after what explained it has ended
	IncidentDigest   = "incident.digest"   // a trouble that comes and goes, summed up
	IncidentCleared  = "incident.cleared"  // a trouble that has no end of its own is over
)

// NodeDown is the kind of the incidents of nodes that are Down; no event is of it.
const NodeDown = "node.down"

// Kinds of mistakes of the installation; see package mistake. Each is told when it
// is recognised, again when more of the same is, and with severity Notice when all
// of it is over.
const (
	NodeReplies    = "node.replies"     // a transparent node's replies don't come back through the box
	NodeCheck      = "node.check"       // a node has refused a checked port ever since the box knows it
	NodePort       = "node.port"        // a node refuses a port to MFDs that the group passes
	NodeFirewall   = "node.firewall"    // a node gives no answer on such a port
	NodeFTPAddress = "node.ftp-address" // a node's FTP server announces an address that MFDs can't reach
	ClientShared   = "client.shared"    // several MFDs arrive under one address
	ClientBypass   = "client.bypass"    // MFDs go to a node's own address
	ClientScans    = "client.scans"     // MFDs send no scans through the box, though most others do
)

// Severities, from least to most.
const (
	Info    = "info"    // goes as it should
	Notice  = "notice"  // worth knowing, nothing to do
	Warning = "warning" // less spare than there should be
	Alert   = "alert"   // people can't print, or a promise is broken
)

// Event is an alias, so that writers and readers of the log share one type.
type Event = api.Event
