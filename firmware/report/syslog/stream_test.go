package syslog

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/netns/rig"
	"spoolgate/tools/lab/receiver"
)

// peer is a log server that treats its connections as do says.
func peer(t *testing.T, l net.Listener, do func(net.Conn)) {
	t.Helper()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			serving.Go(func() { do(c) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
}

func onLoopback(t *testing.T) (net.Listener, config.Syslog) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	return l, config.Syslog{Server: at.Addr().String(), Port: at.Port(), Transport: "tcp"}
}

// frame reads one message by its count of octets.
func frame(c net.Conn) string {
	r := bufio.NewReader(c)
	var n int
	if _, err := fmt.Fscanf(r, "%d ", &n); err != nil {
		return err.Error()
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return err.Error()
	}
	return string(text)
}

// hasty is a sender that waits for nobody longer than it must for the test.
func hasty(c config.Syslog) *Sender {
	s := New(c)
	s.linger, s.patience = 200*time.Millisecond, 400*time.Millisecond
	return s
}

func TestServerThatKeepsItsConnectionsGetsEachMessageOnce(t *testing.T) {
	cert, err := receiver.NewCertificate(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(cert.PEM), []byte(cert.Key))
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"tcp", "tls"} {
		l, c := onLoopback(t)
		if c.Transport = transport; transport == "tls" {
			l, c.Trust = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}}), config.Trust{CA: cert.PEM}
		}
		got := make(chan string, 10)
		peer(t, l, func(c net.Conn) { got <- frame(c) })
		var said string
		if err := hasty(c).Send(t.Context(), incident(api.Begin), func(_ api.Stage, text string) { said = text }); err != nil {
			t.Errorf("%s: it would be sent again: %v", transport, err)
		}
		if !strings.Contains(said, "keeps the connection open") {
			t.Errorf("%s: people are told that %s", transport, said)
		}
		if text := <-got; text != format(incident(api.Begin)) || len(got) > 0 {
			t.Errorf("%s: it got %q, and %d more", transport, text, len(got))
		}
	}
}

func TestServerThatDoesNotReadTheMessageGetsItLater(t *testing.T) {
	reset := func(c net.Conn, afterBytes int) {
		io.ReadFull(c, make([]byte, afterBytes))
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	for name, do := range map[string]func(net.Conn){
		"reset when it begins":        func(c net.Conn) { reset(c, 1) },
		"reset in the middle":         func(c net.Conn) { reset(c, 100) },
		"closed with most of it left": func(c net.Conn) { io.ReadFull(c, make([]byte, 1)); c.Close() },
		"closed before it came":       func(c net.Conn) { c.Close() },
	} {
		l, c := onLoopback(t)
		done := make(chan struct{})
		peer(t, l, func(c net.Conn) { do(c); close(done) })
		err := New(c).Send(t.Context(), incident(api.Begin), func(stage api.Stage, _ string) {
			if stage == api.StageConnect && name == "closed before it came" {
				<-done
			}
		})
		var f *api.Failure
		if !errors.As(err, &f) || f.Stage != api.StageMessage || !strings.Contains(f.What, "ended the connection before it had the message") || f.Lasting {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The cable comes out just when the connection is made, or when the server has ended it
// without a look at the message.
func TestMessageThatNoMachineConfirmsIsSentLaterAndNotCalledAnEndedConnection(t *testing.T) {
	for name, do := range map[string]func(net.Conn){
		"made":  func(net.Conn) {},
		"ended": func(c net.Conn) { c.Close() },
	} {
		r := rig.Rig{TB: t}
		here, there := r.Namespace(), r.Namespace()
		r.Must(netns.Pair(here, "to-server", there, "to-box"))
		r.Must(here.Address("to-server", netip.MustParsePrefix("198.18.0.1/24")))
		r.Must(there.Address("to-box", netip.MustParsePrefix("198.18.0.2/24")))
		at := netip.MustParseAddrPort("198.18.0.2:514")
		l, err := there.Listen(at)
		r.Must(err)
		done := make(chan struct{})
		peer(t, l, func(c net.Conn) { do(c); close(done) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = here.Do(func() error {
			s := hasty(config.Syslog{Server: at.Addr().String(), Port: at.Port(), Transport: "tcp"})
			return s.Send(ctx, incident(api.Begin), func(stage api.Stage, _ string) {
				if stage == api.StageConnect {
					<-done
					if err := there.Down("to-box"); err != nil {
						t.Error(err)
					}
				}
			})
		})
		var f *api.Failure
		if !errors.As(err, &f) || !strings.Contains(f.What, "has not confirmed the message") || f.Lasting || f.Do == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
