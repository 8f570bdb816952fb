package web

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/daemon"
)

// Names of the sockets that init hands over.
const (
	httpsSocket = "https"
	httpSocket  = "http"
)

// mostConnections bounds what browsers, and who pretends to be one, can take of
// the box's memory.
const mostConnections = 256

// Command is the program webd: it serves the UI until ctx ends.
func Command(ctx context.Context, args []string, log *slog.Logger) error {
	fs := flag.NewFlagSet("webd", flag.ContinueOnError)
	balancer := fs.String("balancer", "/run/spoolgate/balancerd.sock", "socket of the balancer")
	panel := fs.String("panel", "/run/spoolgate/paneld.sock", "socket of the front panel")
	network := fs.String("netd", "/run/spoolgate/netd.sock", "socket of the network")
	reports := fs.String("reportd", "/run/spoolgate/reportd.sock", "socket of the reporters")
	services := fs.String("services", api.ServicesFile, "file that init writes of the daemons")
	state := fs.String("state", "", "`FOLDER` that keeps the certificate")
	listen := fs.String("listen", "", "address to serve HTTPS on, like 192.0.2.2:443, when no socket is handed over")
	plain := fs.String("redirect", "", "address to send HTTP to HTTPS from, like 192.0.2.2:80; none if empty")
	if err := daemon.ParseFlags(fs, args, "state"); err != nil {
		return err
	}
	sockets, err := listeners(*listen, *plain)
	if err != nil {
		return err
	}
	w := newWatch(wire.NewClient(*balancer), wire.NewClient(*panel), wire.NewClient(*network), *services, time.Now)
	site, err := newSite(w, metricsOf(*reports, log), time.Now, log)
	if err != nil {
		return err
	}
	certs, err := newCertificates(*state, w.hostname, time.Now, log)
	if err != nil {
		return err
	}
	notify, err := daemon.NewNotifier()
	if err != nil {
		return err
	}
	defer notify.Stop()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	parts.Go(func() { w.run(ctx) })
	serve := func(l net.Listener, name string) {
		parts.Go(func() {
			handler := site
			if name == httpSocket {
				handler = redirect(w.hostname)
			}
			if err := daemon.Serve(ctx, l, handler); err != nil {
				cancel(err)
			}
		})
	}
	secured := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certs.get, NextProtos: []string{"h2", "http/1.1"}}
	for name, l := range sockets {
		if name == httpsSocket {
			l = tls.NewListener(netutil.LimitListener(l, mostConnections), secured)
		}
		serve(l, name)
	}
	err = beat(ctx, notify, sockets[httpsSocket].Addr())
	parts.Wait()
	return err
}

// beat is the main loop: it keeps the supervisor informed until ctx ends.
func beat(ctx context.Context, notify *daemon.Notifier, on net.Addr) error {
	if err := notify.Ready("serving https on " + on.String()); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		case <-notify.Beat():
			if err := notify.Alive(); err != nil {
				return err
			}
		}
	}
}

// listeners returns the sockets that were handed over, or opens those that the
// flags name.
func listeners(listen, plain string) (map[string]net.Listener, error) {
	sockets, err := daemon.Inherited()
	if err != nil {
		return nil, err
	}
	if len(sockets) > 0 {
		if sockets[httpsSocket] == nil {
			return nil, fmt.Errorf("none of the sockets handed over is named %q", httpsSocket)
		}
		return sockets, nil
	}
	if listen == "" {
		return nil, fmt.Errorf("%w: no socket was handed over: name an address with -listen", daemon.ErrUsage)
	}
	for name, address := range map[string]string{httpsSocket: listen, httpSocket: plain} {
		if address == "" {
			continue
		}
		if sockets[name], err = net.Listen("tcp", address); err != nil {
			return nil, err
		}
	}
	return sockets, nil
}
