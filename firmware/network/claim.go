package network

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// Timing of a claim. RFC 5227 section 1.1 takes up to seven seconds to probe; a box
// that replaces another has to serve sooner, on switches whose delay is below a
// millisecond.
const (
	probes        = 3
	probeGap      = 200 * time.Millisecond
	probeJitter   = 100 * time.Millisecond
	retryAfter    = 5 * time.Second  // a conflict
	announceEvery = 30 * time.Second // longer than any switch forgets a port
	announceTwice = 2 * time.Second
	defendEvery   = time.Second // RFC 5227 section 2.4, for hosts that must not give up: 10 s
)

// claimed is told how a claim stands; each call is made from the claim's goroutine.
type claimed interface {
	clear()                       // nobody else has the address: take it
	taken(by net.HardwareAddr)    // somebody else has it: do not use it
	disputed(by net.HardwareAddr) // somebody else claims it, while it is ours
	failed(err error)             // the check cannot be made at present
}

// claim checks that nobody else has ip, announces it, and defends it until ctx
// ends: an address that printers are sent to is never given up to a newcomer.
// checked says that the first check was made.
func claim(ctx context.Context, link *net.Interface, ip netip.Addr, checked bool, to claimed) {
	for ctx.Err() == nil {
		holder, err := hold(ctx, link, ip, checked, to)
		checked = false
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			to.failed(err)
		case holder != nil:
			to.taken(holder)
		}
		pause(ctx, retryAfter)
	}
}

// hold returns the MAC of another holder, or an error; otherwise not before ctx ends.
func hold(ctx context.Context, link *net.Interface, ip netip.Addr, checked bool, to claimed) (net.HardwareAddr, error) {
	conn, err := listen(link)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if !checked {
		if other, err := check(ctx, conn, link, ip); other != nil || err != nil {
			return other, err
		}
	}
	to.clear()
	return nil, keep(ctx, conn, link, ip, to)
}

// anybody returns the MAC of another machine that has ip, nil when there is none.
func anybody(ctx context.Context, link *net.Interface, ip netip.Addr) (net.HardwareAddr, error) {
	conn, err := listen(link)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return check(ctx, conn, link, ip)
}

// listen opens the ARP traffic of link.
func listen(link *net.Interface) (*packet.Conn, error) {
	conn, err := packet.Listen(link, packet.Datagram, unix.ETH_P_ARP, nil)
	if err != nil {
		return nil, fmt.Errorf("listen for ARP on %s: %w", link.Name, err)
	}
	return conn, nil
}

func check(ctx context.Context, conn *packet.Conn, link *net.Interface, ip netip.Addr) (net.HardwareAddr, error) {
	for range probes {
		if _, err := conn.WriteTo(probeFor(link.HardwareAddr, ip).bytes(), broadcast); err != nil {
			return nil, fmt.Errorf("probe %s on %s: %w", ip, link.Name, err)
		}
		other, err := rival(ctx, conn, link, ip, probeGap+rand.N(probeJitter), true)
		if other != nil || err != nil {
			return other, err
		}
	}
	return nil, nil
}

// keep announces and defends an address that is ours.
func keep(ctx context.Context, conn *packet.Conn, link *net.Interface, ip netip.Addr, to claimed) error {
	wait := announceTwice
	for {
		if err := announce(conn, link, ip); err != nil {
			return err
		}
		for next := time.Now().Add(wait); time.Now().Before(next); {
			other, err := rival(ctx, conn, link, ip, time.Until(next), false)
			if err != nil {
				return err
			}
			if other == nil {
				continue
			}
			to.disputed(other)
			if err := announce(conn, link, ip); err != nil {
				return err
			}
			pause(ctx, defendEvery)
		}
		wait = announceEvery
		to.clear()
	}
}

func announce(conn *packet.Conn, link *net.Interface, ip netip.Addr) error {
	for _, op := range []uint16{arpRequest, arpReply} {
		if _, err := conn.WriteTo(announcement(op, link.HardwareAddr, ip).bytes(), broadcast); err != nil {
			return fmt.Errorf("announce %s on %s: %w", ip, link.Name, err)
		}
	}
	return nil
}

// rival listens for another machine with our address, for d. While we only probe,
// a probe of somebody else for the same address counts too.
func rival(ctx context.Context, conn *packet.Conn, link *net.Interface, ip netip.Addr, d time.Duration, probing bool) (net.HardwareAddr, error) {
	conn.SetReadDeadline(time.Now().Add(d))
	release := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer release()
	buf := make([]byte, 128)
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n, _, err := conn.ReadFrom(buf)
		if e, ok := err.(net.Error); ok && e.Timeout() {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("listen for ARP on %s: %w", link.Name, err)
		}
		p, err := parseARP(buf[:n])
		if err != nil || p.senderMAC.String() == link.HardwareAddr.String() {
			continue
		}
		if p.senderIP == ip || probing && p.op == arpRequest && p.senderIP.IsUnspecified() && p.targetIP == ip {
			return p.senderMAC, nil
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
