// Package snmp sends reports to a management station as notifications of
// SPOOLGATE-MIB: traps, which nobody confirms, or informs, of SNMP 2c or 3.
//
// There is no agent to ask: no library for one is kept well enough to stand on the
// management network of a customer. What an agent would show is at /metrics.
package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/gosnmp/gosnmp"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/reach"
)

// Secrets are the passwords of the configuration, opened.
type Secrets struct{ Community, Auth, Privacy string }

// Engine is the box as an SNMP engine (RFC 3411, 3.1.1).
type Engine struct {
	ID      []byte
	Boots   uint32    // how often it started
	Started time.Time // this time
	Now     func() time.Time
}

// EngineID is the engine ID of a box that has none configured: format 4, text, with
// the host name (RFC 3411, 5), so that a person can tell it to the station.
func EngineID(hostname string) []byte {
	return append([]byte{0x80, 0x00, 0x1f, 0x88, 4}, hostname[:min(len(hostname), 27)]...)
}

// Sender sends to one station.
type Sender struct {
	config  config.SNMP
	secrets Secrets
	engine  Engine
	server  reach.Server
}

// New returns a sender as configured.
func New(c config.SNMP, s Secrets, e Engine) *Sender {
	return &Sender{config: c, secrets: s, engine: e, server: reach.Server{Name: c.Server, Port: c.Port}}
}

// Target is where it goes.
func (s *Sender) Target() string {
	what := "traps"
	if s.config.Inform {
		what = "informs"
	}
	text := fmt.Sprintf("%s, %s of version %s", s.server, what, s.config.Version)
	if s.config.Version == "3" && !s.config.Inform {
		text += fmt.Sprintf(", engine ID 0x%x", s.engine.ID)
	}
	return text
}

// Confirms is whether the station says that it has a message.
func (s *Sender) Confirms() bool { return s.config.Inform }

const (
	answerTime = 1500 * time.Millisecond // of a station to an inform
	repeats    = 2                       // of one that was not answered
	// refusalTime is how long a machine where nobody listens may take to say so.
	refusalTime = 300 * time.Millisecond
)

// Send brings one message to the station.
func (s *Sender) Send(ctx context.Context, m letter.Message, note reach.Note) error {
	at, err := s.server.Find(ctx, note)
	if err != nil {
		return err
	}
	g := &gosnmp.GoSNMP{Target: at[0].Addr().String(), Port: at[0].Port(), Context: ctx, Timeout: answerTime, Retries: repeats, MaxOids: gosnmp.MaxOids}
	s.identify(g)
	if err := g.Connect(); err != nil {
		return reach.Unconnected(s.server, err)
	}
	defer g.Conn.Close()
	if _, err := g.SendTrap(gosnmp.SnmpTrap{Variables: s.variables(m), IsInform: s.config.Inform}); err != nil {
		return s.unheard(g, err)
	}
	if s.config.Inform {
		note(api.StageMessage, "the station confirmed it")
		return nil
	}
	if err := refused(g.Conn); err != nil {
		return reach.Unconnected(s.server, err)
	}
	note(api.StageMessage, "it was sent; nobody confirms a trap, so look on the station, or use inform = true")
	return nil
}

// identify says who we are: the community, or the user.
func (s *Sender) identify(g *gosnmp.GoSNMP) {
	if s.config.Version == "2c" {
		g.Version, g.Community = gosnmp.Version2c, s.secrets.Community
		return
	}
	user := &gosnmp.UsmSecurityParameters{
		UserName:               s.config.User,
		AuthenticationProtocol: algorithms()[s.config.Auth], AuthenticationPassphrase: s.secrets.Auth,
		PrivacyProtocol: ciphers()[s.config.Privacy], PrivacyPassphrase: s.secrets.Privacy,
	}
	g.Version, g.SecurityModel, g.MsgFlags, g.SecurityParameters = gosnmp.Version3, gosnmp.UserSecurityModel, gosnmp.AuthPriv, user
	if !s.config.Inform {
		// Of a trap the sender is the engine that counts; of an inform it is the
		// station, which is asked for its ID, boots and time first (RFC 3414, 1.5.1).
		g.ContextEngineID = string(s.engine.ID)
		user.AuthoritativeEngineID, user.AuthoritativeEngineBoots = g.ContextEngineID, s.engine.Boots
		user.AuthoritativeEngineTime = uint32(s.engine.Now().Sub(s.engine.Started) / time.Second)
	}
}

func algorithms() map[string]gosnmp.SnmpV3AuthProtocol {
	return map[string]gosnmp.SnmpV3AuthProtocol{"SHA": gosnmp.SHA, "SHA224": gosnmp.SHA224, "SHA256": gosnmp.SHA256, "SHA384": gosnmp.SHA384, "SHA512": gosnmp.SHA512}
}

func ciphers() map[string]gosnmp.SnmpV3PrivProtocol {
	return map[string]gosnmp.SnmpV3PrivProtocol{"AES": gosnmp.AES, "AES192": gosnmp.AES192, "AES256": gosnmp.AES256}
}

// unheard says why a station did not confirm. What it says itself of a user that it
// does not take is not signed, so the library drops it; that it told its engine ID and
// nothing after it is as good.
func (s *Sender) unheard(g *gosnmp.GoSNMP, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return reach.Unconnected(s.server, err)
	}
	if user, ok := g.SecurityParameters.(*gosnmp.UsmSecurityParameters); ok && user.AuthoritativeEngineID != "" {
		return &api.Failure{Stage: api.StageLogin, What: fmt.Sprintf("%s answers, and does not take what user %q signs and encrypts (%v)", s.server, s.config.User, err),
			Do: "Check on the station that it has this user, with these algorithms and passwords, and lets it sign and encrypt (authPriv)"}
	}
	f := &api.Failure{Stage: api.StageConnect, What: fmt.Sprintf("%s does not confirm: %v", s.server, err),
		Do: "Check that the station is on and allows the box, and that no firewall drops UDP on this port"}
	if s.config.Version == "2c" {
		f.Do += "; a station says nothing to a community that it does not know"
	}
	return f
}

// refused waits for the machine to say that nobody listens there.
func refused(c net.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(refusalTime)); err != nil {
		return err
	}
	if _, err := c.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}
