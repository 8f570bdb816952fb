package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"spoolgate/firmware/api"
)

const (
	exchangeTimeout = 2 * time.Second // of one message; three are sent
	dhcpRetry       = 5 * time.Second
	renewAtLeast    = time.Second // RFC 2131 section 4.4.5 says 60 s; leases can be shorter
)

// terms are what a DHCP server grants.
type terms struct {
	prefix  netip.Prefix
	gateway netip.Addr
	dns     []netip.Addr
	lease   api.Lease
}

// leased is told what becomes of the lease, from the goroutine of follow.
type leased interface {
	granted(terms)
	lost(err error) // no lease any more, or none yet
}

// follow gets a lease for link and keeps it until ctx ends. wanted, the address of
// an earlier run, is asked for; check returns the MAC of another machine that has
// the address offered.
//
// Each exchange has a client of its own: one that was opened before a link flap
// stays deaf.
func follow(ctx context.Context, link *net.Interface, hostname string, wanted netip.Addr, check func(netip.Addr) (net.HardwareAddr, error), to leased) {
	for ctx.Err() == nil {
		lease, t, err := obtain(ctx, link, hostname, wanted)
		if err == nil {
			err = unused(link, lease, t, check)
		}
		if err == nil {
			to.granted(t)
			wanted = t.prefix.Addr()
			err = prolong(ctx, link, lease, t, to)
		}
		if ctx.Err() == nil {
			to.lost(err)
			pause(ctx, dhcpRetry)
		}
	}
}

func obtain(ctx context.Context, link *net.Interface, hostname string, wanted netip.Addr) (*nclient4.Lease, terms, error) {
	client, err := nclient4.New(link.Name, nclient4.WithTimeout(exchangeTimeout))
	if err != nil {
		return nil, terms{}, fmt.Errorf("DHCP on %s: %w", link.Name, err)
	}
	defer client.Close()
	with := []dhcpv4.Modifier{dhcpv4.WithOption(dhcpv4.OptHostName(hostname))}
	if wanted.IsValid() {
		with = append(with, dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(wanted.AsSlice())))
	}
	offer, err := client.DiscoverOffer(ctx, with...)
	if err != nil {
		return nil, terms{}, fmt.Errorf("no DHCP server answers on %s: %w", link.Name, err)
	}
	lease, err := client.RequestFromOffer(ctx, offer, with[0])
	if err != nil {
		return nil, terms{}, fmt.Errorf("the DHCP server %s does not confirm its offer: %w", offer.ServerIdentifier(), err)
	}
	t, err := termsOf(lease.ACK, time.Now())
	return lease, t, err
}

// unused declines an address that somebody else has, RFC 2131 section 3.1.5.
func unused(link *net.Interface, lease *nclient4.Lease, t terms, check func(netip.Addr) (net.HardwareAddr, error)) error {
	holder, err := check(t.prefix.Addr())
	if err != nil || holder == nil {
		return err
	}
	conflict := fmt.Errorf("the DHCP server %s offered %s, which the machine %s already uses", t.lease.Server, t.prefix.Addr(), holder)
	decline, err := dhcpv4.New(
		dhcpv4.WithMessageType(dhcpv4.MessageTypeDecline),
		dhcpv4.WithHwAddr(link.HardwareAddr),
		dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(t.prefix.Addr().AsSlice())),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(lease.ACK.ServerIdentifier())),
	)
	if err != nil {
		return errors.Join(conflict, err)
	}
	conn, err := nclient4.NewRawUDPConn(link.Name, nclient4.ClientPort)
	if err != nil {
		return errors.Join(conflict, err)
	}
	defer conn.Close()
	_, err = conn.WriteTo(decline.ToBytes(), nclient4.DefaultServers)
	return errors.Join(conflict, err)
}

// prolong renews a lease until that fails up to its end: from T1 with its server,
// from T2 with any.
func prolong(ctx context.Context, link *net.Interface, lease *nclient4.Lease, t terms, to leased) error {
	for {
		pause(ctx, time.Until(t.lease.Renew))
		for {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			renewed, err := renew(ctx, link, lease, t)
			if err == nil {
				lease = renewed
				if t, err = termsOf(lease.ACK, time.Now()); err != nil {
					return err
				}
				to.granted(t)
				break
			}
			var nak *nclient4.ErrNak
			if errors.As(err, &nak) {
				return fmt.Errorf("the DHCP server took %s back: %w", t.prefix.Addr(), err)
			}
			if !time.Now().Before(t.lease.Expires) {
				return fmt.Errorf("the DHCP lease of %s ran out: %w", t.prefix.Addr(), err)
			}
			pause(ctx, retryIn(time.Now(), t.lease))
		}
	}
}

// retryIn is half of what is left until the next deadline, RFC 2131 section 4.4.5.
func retryIn(now time.Time, l api.Lease) time.Duration {
	until := l.Rebind
	if !now.Before(until) {
		until = l.Expires
	}
	return min(max(until.Sub(now)/2, renewAtLeast), max(l.Expires.Sub(now), 0))
}

// renew asks the server by unicast, before T2, and everybody after that or if the
// server does not answer: some answer a broadcast only.
func renew(ctx context.Context, link *net.Interface, lease *nclient4.Lease, t terms) (*nclient4.Lease, error) {
	if time.Now().Before(t.lease.Rebind) {
		own := net.UDPAddr{IP: t.prefix.Addr().AsSlice(), Port: nclient4.ClientPort}
		server := net.UDPAddr{IP: t.lease.Server.AsSlice(), Port: nclient4.ServerPort}
		client, err := nclient4.New(link.Name, nclient4.WithTimeout(exchangeTimeout), nclient4.WithRetry(1),
			nclient4.WithUnicast(&own), nclient4.WithServerAddr(&server))
		if err == nil {
			renewed, err := client.Renew(ctx, lease)
			client.Close()
			var nak *nclient4.ErrNak
			if err == nil || errors.As(err, &nak) {
				return renewed, err
			}
		}
	}
	client, err := nclient4.New(link.Name, nclient4.WithTimeout(exchangeTimeout), nclient4.WithRetry(1))
	if err != nil {
		return nil, fmt.Errorf("DHCP on %s: %w", link.Name, err)
	}
	defer client.Close()
	return client.Renew(ctx, lease)
}

// termsOf reads an acknowledgement. T1 and T2 are half and seven eighths of the
// lease when the server does not say, RFC 2131 section 4.4.5.
func termsOf(ack *dhcpv4.DHCPv4, now time.Time) (terms, error) {
	address, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok || address.IsUnspecified() {
		return terms{}, errors.New("the DHCP server acknowledged without an address")
	}
	ones, _ := ack.SubnetMask().Size()
	if ack.SubnetMask() == nil || ones == 0 {
		return terms{}, fmt.Errorf("the DHCP server gave %s without a subnet mask", address)
	}
	whole := ack.IPAddressLeaseTime(time.Hour)
	t1, t2 := ack.IPAddressRenewalTime(0), ack.IPAddressRebindingTime(0)
	if t2 <= 0 || t2 >= whole {
		t2 = whole * 7 / 8
	}
	if t1 <= 0 || t1 >= t2 {
		t1 = min(whole/2, t2)
	}
	t := terms{prefix: netip.PrefixFrom(address, ones)}
	t.lease = api.Lease{Granted: now, Renew: now.Add(t1), Rebind: now.Add(t2), Expires: now.Add(whole)}
	t.lease.Server, _ = netip.AddrFromSlice(ack.ServerIdentifier().To4())
	for _, r := range ack.Router() {
		if t.gateway, ok = netip.AddrFromSlice(r.To4()); ok {
			break
		}
	}
	for _, d := range ack.DNS() {
		if a, ok := netip.AddrFromSlice(d.To4()); ok {
			t.dns = append(t.dns, a)
		}
	}
	return t, nil
}
