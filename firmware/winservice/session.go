// Package winservice asks the Service Control Managers of Windows servers for the
// states of their services (requirement: "the state of appropriate Windows Services
// as reported by Service Control Manager"). It speaks MS-SCMR over SMB to port 445:
// nothing is installed on the server, and the account needs no rights but to
// connect and to ask.
//
// Session is one server, Schedule asks many, each in its turn.
package winservice

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/oiweiwei/go-msrpc/dcerpc"
	"github.com/oiweiwei/go-msrpc/msrpc/scmr/svcctl/v2"
	"github.com/oiweiwei/go-msrpc/smb2"
	"github.com/oiweiwei/go-msrpc/ssp/gssapi"
	"github.com/oiweiwei/go-msrpc/ssp/ntlm"
	"github.com/oiweiwei/go-msrpc/ssp/spnego"
)

// Way is how a server is reached.
type Way struct {
	// Source picks the box's own address to ask from, as health.Prober does. Nil
	// leaves the choice to the kernel.
	Source func(node netip.Addr) netip.Addr
	// Absent reports whether nobody on the network answers for an address; nil
	// knows of none.
	Absent func(node netip.Addr) bool
	// Dial makes the connections; nil is net.Dialer's.
	Dial func(ctx context.Context, d *net.Dialer, address string) (net.Conn, error)
}

// Session asks one server. It logs in at the first question and stays logged in,
// because a login costs the server, and its domain controller, much more than a
// question. A session that broke is opened anew by the next question.
//
// A Session is for one goroutine.
type Session struct {
	way     Way
	node    netip.Addr
	account Account
	gate    *gate // of the account; nil for none
	open    *link
}

// NewSession is a session that is not open yet.
func NewSession(way Way, node netip.Addr, account Account) *Session {
	return &Session{way: way, node: node, account: account}
}

// Close ends the session; the next question opens it anew.
func (s *Session) Close() {
	if s.open != nil {
		s.open.close()
		s.open = nil
	}
}

// link is an open session.
type link struct {
	wire    *wire
	rpc     dcerpc.Conn
	manager svcctl.SvcctlClient
	handle  *svcctl.Handle // of the Service Control Manager
	access  uint32
	end     context.CancelFunc
}

// Rights on the Service Control Manager and on a service, MS-SCMR 3.1.4. There is
// no asking for more: whoever gets hold of the account can look, and do nothing.
const (
	managerConnect   = 0x0001
	managerEnumerate = 0x0004
	serviceStatus    = 0x0004
)

// port is where Windows listens for SMB without NetBIOS.
const port = "445"

// reach opens the session for these rights, unless it is open.
func (s *Session) reach(ctx context.Context, access uint32) (*link, error) {
	if s.open != nil && s.open.access&access == access {
		return s.open, nil
	}
	s.Close()
	l, err := s.login(ctx, access)
	if err != nil {
		return nil, err
	}
	s.open = l
	return l, nil
}

// login connects, logs in and opens the Service Control Manager, until the
// deadline of ctx.
func (s *Session) login(ctx context.Context, access uint32) (*link, error) {
	w, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	// The connection's own deadline ends every wait inside the library, most of
	// which take no context: with it, and the connection closed, its goroutines end.
	w.until(ctx)
	// The library runs the session for as long as the context of its opening.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	l := &link{wire: w, access: access, end: end}
	err = s.gate.pass(ctx, s.node, func() error {
		if err := l.start(alive, s.account, s.node); err != nil {
			return w.judge(err)
		}
		return nil
	})
	if err != nil {
		l.close()
		return nil, err
	}
	w.free()
	return l, nil
}

func (l *link) start(ctx context.Context, account Account, node netip.Addr) error {
	security := smb2.NewDialer(
		smb2.WithSign(),
		smb2.WithSeal(), // where the server can: SMB 3
		smb2.WithSecurity(
			gssapi.WithCredential(account.credential()),
			gssapi.WithMechanismFactory(spnego.Mechanism{}),
			gssapi.WithMechanismFactory(ntlm.Mechanism{}),
		))
	var err error
	l.rpc, err = dcerpc.Dial(ctx, node.String(),
		dcerpc.WithDialer(once{l.wire}),
		dcerpc.WithSMBDialer(security),
		dcerpc.WithTimeout(slack),
		dcerpc.WithEndpoint("ncacn_np:[svcctl]"))
	if err != nil {
		return err
	}
	// SMB signs and encrypts already; the call itself needs no second layer.
	l.manager, err = svcctl.NewSvcctlClient(ctx, l.rpc, dcerpc.WithInsecure())
	if err != nil {
		return err
	}
	opened, err := l.manager.OpenSCMW(ctx, &svcctl.OpenSCMWRequest{DesiredAccess: l.access})
	if code := returned(opened, func(r *svcctl.OpenSCMWResponse) uint32 { return r.Return }); code != 0 {
		return managerError(code)
	}
	if err != nil {
		return err
	}
	l.handle = opened.SCM
	return nil
}

// slack is the library's own limit to a wait, in case that the connection's
// deadline, which is always earlier, did not end it.
const slack = 30 * time.Second

// close ends the session and everything that the library started for it. The
// connection goes first: what waits for it wakes up, and nothing is said any
// more to a server that may be silent.
func (l *link) close() {
	l.wire.Close()
	l.end()
	if l.rpc != nil {
		_ = l.rpc.Close(context.Background()) // it says that the connection is closed
	}
}

// once hands the library the connection that is there.
type once struct{ wire *wire }

func (o once) DialContext(context.Context, string, string) (net.Conn, error) {
	if o.wire.used {
		return nil, errors.New("the connection is used up")
	}
	o.wire.used = true
	return o.wire, nil
}

// returned is the code that the server returned, which the library hands over
// beside its own words for it.
func returned[T any](answer *T, code func(*T) uint32) uint32 {
	if answer == nil {
		return 0
	}
	return code(answer)
}
