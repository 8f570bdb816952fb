// Package mib is the SNMP module of the box: its text for management stations, and
// the numbers of it that programs send.
package mib

import _ "embed"

// FileName is what the module is called where stations look for modules.
const FileName = "SPOOLGATE-MIB.txt"

// Text is the module.
//
//go:embed SPOOLGATE-MIB.txt
var Text string

// Enterprise is the place below 1.3.6.1.4.1, private enterprises, that the module
// and the structured data of syslog have: the playground that NET-SNMP gives to all
// (netSnmpPlaypen, NET-SNMP-MIB), with a number of our own in it.
const Enterprise = "8072.9999.9999.5555"

// Root is the object identifier of the module.
const Root = "1.3.6.1.4.1." + Enterprise

// The notifications of the module, which differ in what they do to an incident.
const (
	Begin  = Root + ".0.1"
	Update = Root + ".0.2"
	Digest = Root + ".0.3"
	Clear  = Root + ".0.4"
	Event  = Root + ".0.5" // of no incident
	Test   = Root + ".0.6"
)

// The objects that come with notifications.
const (
	BoxName          = Root + ".1.1.0"
	EventNumber      = Root + ".1.2.0"
	EventKind        = Root + ".1.3.0"
	EventSeverity    = Root + ".1.4.0"
	EventGroup       = Root + ".1.5.0"
	EventNode        = Root + ".1.6.0"
	EventText        = Root + ".1.7.0"
	EventTime        = Root + ".1.8.0"
	IncidentID       = Root + ".2.1.0"
	IncidentKind     = Root + ".2.2.0"
	IncidentSeverity = Root + ".2.3.0"
	IncidentGroup    = Root + ".2.4.0"
	IncidentNode     = Root + ".2.5.0"
	IncidentTitle    = Root + ".2.6.0"
	IncidentCause    = Root + ".2.7.0"
	IncidentDo       = Root + ".2.8.0"
	IncidentBegan    = Root + ".2.9.0"
	IncidentMoved    = Root + ".2.10.0"
	IncidentTimes    = Root + ".2.11.0"
)
