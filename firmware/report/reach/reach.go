// Package reach finds the server of a reporter: its name, its door, its
// certificate. It says at which of these the way ended, and what to do, in words
// for a print administrator.
package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
)

// Note hears of each stage that was passed.
type Note func(stage api.Stage, text string)

// Patience is how long a server may take to accept a connection, and for each
// answer. Mail servers make strangers wait on purpose.
const Patience = 40 * time.Second

// Server is where a reporter sends to.
type Server struct {
	Name string // or address
	Port uint16
}

func (s Server) String() string { return net.JoinHostPort(s.Name, strconv.Itoa(int(s.Port))) }

// Find looks the name up. An address is its own answer and no stage.
func (s Server) Find(ctx context.Context, note Note) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s.Name); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), s.Port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.Name)
	if err != nil {
		return nil, nameless(s.Name, err)
	}
	var at []netip.AddrPort
	var words []string
	for _, a := range found {
		at = append(at, netip.AddrPortFrom(a.Unmap(), s.Port))
		words = append(words, a.Unmap().String())
	}
	note(api.StageDNS, fmt.Sprintf("%s is %s", s.Name, strings.Join(words, ", ")))
	return at, nil
}

func nameless(name string, err error) error {
	f := &api.Failure{Stage: api.StageDNS, What: fmt.Sprintf("%s could not be looked up: %v", name, err),
		Do: "Write dns = [...] in [management] or [service] with the address of a name server that answers, or give the address in place of the name"}
	var told *net.DNSError
	if errors.As(err, &told) && told.IsNotFound {
		f.What = fmt.Sprintf("the name server %s knows no %s", told.Server, name)
		f.Do = "Correct the name, have it entered there, or give the address in its place"
	}
	return f
}

// Dial connects over network, udp or tcp, to the first address that answers. The
// connection is good for Patience, and again from each Extend.
func (s Server) Dial(ctx context.Context, network string, note Note) (net.Conn, error) {
	at, err := s.Find(ctx, note)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var conn net.Conn
	for _, a := range at {
		if conn, err = (&net.Dialer{}).DialContext(ctx, network, a.String()); err == nil {
			if network == "tcp" {
				note(api.StageConnect, a.String()+" answers")
			}
			return conn, Extend(conn)
		}
	}
	return nil, Unconnected(s, err)
}

// Extend lets a connection go on for Patience from now.
func Extend(c net.Conn) error { return c.SetDeadline(time.Now().Add(Patience)) }

// Unconnected says why nobody answers at a server.
func Unconnected(s Server, err error) error {
	f := &api.Failure{Stage: api.StageConnect, What: fmt.Sprintf("%s can't be reached: %v", s, err)}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		f.What = fmt.Sprintf("%s refuses: nobody listens on port %d there", s.Name, s.Port)
		f.Do = "Start the service on that server, or correct the port"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		f.What = fmt.Sprintf("there is no way to %s: %v", s, err)
		f.Do = "Check the cable, and the gateway in [management] or [service]; check that the server is on"
	default:
		f.Do = "Check that the server is on, and that no firewall between it and the box drops the port"
	}
	return f
}

// Secure begins TLS on a connection that Dial made.
func (s Server) Secure(ctx context.Context, conn net.Conn, trust config.Trust, note Note) (*tls.Conn, error) {
	c := tls.Client(conn, TLS(s.Name, trust))
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, Untrusted(s, err)
	}
	note(api.StageTLS, Describe(c.ConnectionState()))
	return c, nil
}
