package winservice

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/health"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/netns/rig"
	"spoolgate/tools/lab/windows"
)

var (
	boxIP  = netip.MustParseAddr("198.18.0.1")
	nodeIP = netip.MustParseAddr("198.18.0.2")
	right  = Account{User: windows.User, Password: windows.Password}
)

// bench is a box and a node on one wire.
type bench struct {
	rig.Rig
	box, node *netns.Namespace
	server    *windows.Server
	silent    bool // the server does not answer any more
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{Rig: rig.Rig{TB: t}}
	b.box, b.node = b.Namespace(), b.Namespace()
	b.Must(netns.Pair(b.box, "box", b.node, "node"))
	b.Must(b.box.Address("box", netip.PrefixFrom(boxIP, 24)))
	b.Must(b.node.Address("node", netip.PrefixFrom(nodeIP, 24)))
	return b
}

// serve starts the node's server.
func (b *bench) serve(options ...string) {
	b.Helper()
	s, err := windows.Start(b.node, b.TempDir(), nodeIP, options...)
	b.Must(err)
	b.server = s
	b.Cleanup(func() { s.Stop() })
}

func (b *bench) session(a Account) *Session {
	s := NewSession(b.way(), nodeIP, a)
	b.Cleanup(s.Close)
	return s
}

// way leads from the box.
func (b *bench) way() Way {
	in := func(do func() error) error { return b.box.Do(do) }
	return Way{
		Absent: func(node netip.Addr) (absent bool) {
			return in(func() error { absent = health.Absent(node); return nil }) == nil && absent
		},
		Dial: func(ctx context.Context, d *net.Dialer, address string) (c net.Conn, err error) {
			return c, in(func() error { c, err = d.DialContext(ctx, "tcp", address); return err })
		},
	}
}

// query asks from the box.
func (b *bench) query(s *Session, names ...string) ([]api.WindowsAnswer, error) {
	patience := 10 * time.Second
	if b.server == nil || b.silent {
		patience = time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.Query(ctx, names)
}

// wantFailure wants this word instead of answers.
func (b *bench) wantFailure(s *Session, want api.WindowsState) {
	b.Helper()
	answers, err := b.query(s, windows.Spooler)
	var f *Failure
	if !errors.As(err, &f) || f.State != want {
		b.Errorf("got %v %v, want %q", answers, err, want)
	}
}

func TestEveryServiceHasItsWordOverSignedAndEncryptedSMB(t *testing.T) {
	b := newBench(t)
	b.serve()
	s := b.session(right)
	got, err := b.query(s, windows.Spooler, windows.Idle, "SafeQ", windows.Denied)
	b.Must(err)
	want := []api.WindowsState{api.WindowsRunning, api.WindowsStopped, api.WindowsUnknown, api.WindowsAccessDenied}
	for i, a := range got {
		if a.State != want[i] {
			t.Errorf("%+v, want %q", a, want[i])
		}
	}
}

func TestServiceThatStopsAndStartsIsSeenOverTheHeldSession(t *testing.T) {
	b := newBench(t)
	b.serve()
	s := b.session(right)
	for _, want := range []api.WindowsState{api.WindowsRunning, api.WindowsStopped, api.WindowsRunning} {
		if got := b.state(s, windows.Spooler); got != want {
			b.Must(b.server.SetSpooler(want == api.WindowsRunning))
		}
		if got := b.state(s, windows.Spooler); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func (b *bench) state(s *Session, service string) api.WindowsState {
	b.Helper()
	got, err := b.query(s, service)
	b.Must(err)
	return got[0].State
}

func TestEveryFailureHasItsWord(t *testing.T) {
	tests := []struct {
		name    string
		options []string // of a server; none without
		account Account
		spoil   string // by a shell on the node
		state   api.WindowsState
		detail  string
	}{
		{"wrong password", secure, Account{windows.User, "guess"}, "", api.WindowsWrongPassword, ""},
		{"no such account", secure, Account{"nobody-here", "guess"}, "", api.WindowsWrongPassword, ""},
		{"account is disabled", secure, right, "smbpasswd -c $CONF -d daemon", api.WindowsAccessDenied, "the account is disabled"},
		{"let in as a guest, who does not sign", []string{"map to guest = bad user", "server signing = auto", "server smb encrypt = off"},
			Account{"nobody-here", "guess"}, "", api.WindowsInsecure, "as a guest"},
		{"a cipher that this box does not have", []string{"server smb3 encryption algorithms = AES-256-GCM"}, right, "",
			api.WindowsInsecure, "unknown cipher algorithm"},
		{"too old for the encryption that it insists on", []string{"server min protocol = SMB2_02", "server max protocol = SMB2_10"}, right, "",
			api.WindowsInsecure, ""},
		{"SMB 1 only", []string{"server min protocol = NT1", "server max protocol = NT1", "server smb encrypt = off", "server signing = auto"}, right, "",
			api.WindowsProtocolError, "SMB 1 only"},
		{"nothing listens", nil, right, "true", api.WindowsRefused, ""},
		{"rejected by a firewall", nil, right, "nft add table ip f; nft 'add chain ip f in { type filter hook input priority 0; }'; nft add rule ip f in tcp dport 445 reject with icmp host-prohibited",
			api.WindowsUnreachable, "no route to host"},
		{"dropped by a firewall", nil, right, "nft add table ip f; nft 'add chain ip f in { type filter hook input priority 0; }'; nft add rule ip f in tcp dport 445 drop",
			api.WindowsTimedOut, ""},
		{"off", nil, right, "ip addr flush dev node", api.WindowsHostDown, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			conf := ""
			if tt.options != nil {
				b.serve(tt.options...)
				conf = b.server.Conf()
			}
			b.Shell(b.node, "CONF="+conf+"; "+tt.spoil)
			answers, err := b.query(b.session(tt.account), windows.Spooler)
			var f *Failure
			if !errors.As(err, &f) || f.State != tt.state || !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("got %v %v, want %q %q", answers, err, tt.state, tt.detail)
			}
		})
	}
}

// secure is a server as it comes: it insists on signing and encryption.
var secure = []string{}

func TestEveryStateOfAServiceHasItsWord(t *testing.T) {
	for n, want := range []api.WindowsState{
		api.WindowsProtocolError, api.WindowsStopped, api.WindowsStartPending, api.WindowsStopPending, api.WindowsRunning,
		api.WindowsContinuePending, api.WindowsPausePending, api.WindowsPaused, api.WindowsProtocolError,
	} {
		if got := state(uint32(n)); got != want {
			t.Errorf("state %d: %q, want %q", n, got, want)
		}
	}
}

func TestServerThatFallsSilentTimesOut(t *testing.T) {
	b := newBench(t)
	b.serve()
	s := b.session(right)
	b.state(s, windows.Spooler)
	b.Must(b.node.Down("node"))
	b.silent = true
	b.wantFailure(s, api.WindowsTimedOut)
}

func TestOldServerThatCanOnlySignIsAsked(t *testing.T) {
	b := newBench(t)
	b.serve("server min protocol = SMB2_02", "server max protocol = SMB2_10", "server smb encrypt = off")
	if got := b.state(b.session(Account{"SITE\\" + windows.User, windows.Password}), windows.Spooler); got != api.WindowsRunning {
		t.Error(got)
	}
}

func TestServicesOfANodeAreFound(t *testing.T) {
	b := newBench(t)
	b.serve()
	s := b.session(right)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	found, err := s.List(ctx)
	b.Must(err)
	for _, f := range found {
		if f.Name == windows.Spooler && f.Display != "" && f.State == api.WindowsRunning {
			return
		}
	}
	t.Errorf("%+v", found)
}
