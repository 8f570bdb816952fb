package winservice

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"spoolgate/firmware/api"
)

// lockout is how long a wrong password is not tried again. Domains lock an account
// after a handful of wrong ones, and forget them in ten minutes to half an hour.
const lockout = 30 * time.Minute

// gates keep a wrong password from locking an account out: many nodes ask with one
// account of a domain, and each would try it.
type gates struct {
	mu    sync.Mutex
	gates map[string]*gate
}

// of is the gate of an account. A user of the server itself is another account on
// each server.
func (g *gates) of(a Account, node netip.Addr) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := a.User + "\x00" + a.Password
	if !a.ofDomain() {
		name += "\x00" + node.String()
	}
	if g.gates == nil {
		g.gates = map[string]*gate{}
	}
	if g.gates[name] == nil {
		g.gates[name] = &gate{turn: make(chan struct{}, 1)}
	}
	return g.gates[name]
}

// forgive lets wrong passwords be tried again, each once.
func (g *gates) forgive() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.gates {
		one.mu.Lock()
		one.wrong = nil
		one.mu.Unlock()
	}
}

// gate lets the logins of one account through: one after the other until a server
// has said that the password is right, and none for a while after it said that it
// is wrong.
type gate struct {
	turn chan struct{} // holds the token of whoever logs in

	mu     sync.Mutex
	proven bool
	wrong  *Failure
	until  time.Time
}

// pass logs in at a node, or says why not. Nil lets everything through.
func (g *gate) pass(ctx context.Context, node netip.Addr, login func() error) error {
	if g == nil {
		return login()
	}
	if !g.open() {
		select {
		case g.turn <- struct{}{}:
			defer func() { <-g.turn }()
		case <-ctx.Done():
			return &Failure{api.WindowsTimedOut, "the login waited for that of another node"}
		}
	}
	if err := g.shut(); err != nil {
		return err
	}
	err := login()
	g.learn(node, err)
	return err
}

func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.proven
}

func (g *gate) shut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wrong != nil && time.Now().Before(g.until) {
		return g.wrong
	}
	return nil
}

func (g *gate) learn(node netip.Addr, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var f *Failure
	switch {
	case err == nil:
		g.proven, g.wrong = true, nil
	case errors.As(err, &f) && f.State == api.WindowsWrongPassword:
		g.proven, g.until = false, time.Now().Add(lockout)
		g.wrong = &Failure{api.WindowsWrongPassword, fmt.Sprintf("said by %s at %s", node, time.Now().Format(time.TimeOnly))}
	}
}
