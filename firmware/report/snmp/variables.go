package snmp

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gosnmp/gosnmp"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/mib"
)

const (
	sysUpTime   = "1.3.6.1.2.1.1.3.0"
	snmpTrapOID = "1.3.6.1.6.3.1.1.4.1.0"
	// longest is the size of an SnmpAdminString and of a DisplayString, in bytes.
	longest = 255
)

// variables are what a notification has, sysUpTime and snmpTrapOID first (RFC 3416,
// 4.2.6).
func (s *Sender) variables(m letter.Message) []gosnmp.SnmpPDU {
	up := s.engine.Now().Sub(s.engine.Started) / (10 * time.Millisecond)
	v := []gosnmp.SnmpPDU{
		{Name: sysUpTime, Type: gosnmp.TimeTicks, Value: uint32(up)},
		{Name: snmpTrapOID, Type: gosnmp.ObjectIdentifier, Value: notification(m)},
		text(mib.BoxName, m.Box),
		number(mib.EventNumber, m.Event.Seq),
		text(mib.EventKind, m.Event.Kind),
		severity(mib.EventSeverity, m.Event.Severity),
		text(mib.EventGroup, m.Event.Group),
		text(mib.EventNode, m.Event.Node),
		text(mib.EventText, m.Event.Text),
		date(mib.EventTime, m.Event.Time),
	}
	i := m.Incident
	if i == nil {
		return v
	}
	return append(v,
		number(mib.IncidentID, i.ID),
		text(mib.IncidentKind, i.Kind),
		severity(mib.IncidentSeverity, i.Severity),
		text(mib.IncidentGroup, i.Group),
		text(mib.IncidentNode, i.Node),
		text(mib.IncidentTitle, i.Title),
		text(mib.IncidentCause, i.Cause),
		text(mib.IncidentDo, i.Do),
		date(mib.IncidentBegan, i.Began),
		number(mib.IncidentMoved, uint64(i.Moved)),
		number(mib.IncidentTimes, uint64(i.Times)),
	)
}

func notification(m letter.Message) string {
	switch {
	case m.Test:
		return mib.Test
	case m.Incident == nil:
		return mib.Event
	}
	switch m.Phase {
	case api.Begin:
		return mib.Begin
	case api.Digest:
		return mib.Digest
	case api.Clear:
		return mib.Clear
	}
	return mib.Update
}

func text(name, s string) gosnmp.SnmpPDU {
	if len(s) > longest {
		end := longest
		for !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	return gosnmp.SnmpPDU{Name: name, Type: gosnmp.OctetString, Value: s}
}

// number is one modulo 2^32, as the module says.
func number(name string, n uint64) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: name, Type: gosnmp.Gauge32, Value: uint32(n)}
}

func severity(name, s string) gosnmp.SnmpPDU {
	at := slices.Index([]string{event.Info, event.Notice, event.Warning, event.Alert}, s)
	return gosnmp.SnmpPDU{Name: name, Type: gosnmp.Integer, Value: max(at, 0) + 1}
}

// date is a DateAndTime of RFC 2579 in universal time.
func date(name string, t time.Time) gosnmp.SnmpPDU {
	t = t.UTC()
	year := t.Year()
	return gosnmp.SnmpPDU{Name: name, Type: gosnmp.OctetString, Value: []byte{
		byte(year >> 8), byte(year), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()),
		byte(t.Nanosecond() / 1e8), '+', 0, 0,
	}}
}
