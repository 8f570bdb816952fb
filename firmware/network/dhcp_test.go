package network

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"spoolgate/firmware/api"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func acknowledge(t *testing.T, with ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	ack, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithYourIP(net.IPv4(198, 18, 0, 7)), dhcpv4.WithNetmask(net.CIDRMask(24, 32)), dhcpv4.WithLeaseTime(800),
	}, with...)...)
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

func option(code dhcpv4.OptionCode, d time.Duration) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.Option{Code: code, Value: dhcpv4.Duration(d)})
}

func TestTimesThatTheServerLeavesOutAreComputed(t *testing.T) {
	for _, c := range []struct {
		name   string
		with   []dhcpv4.Modifier
		t1, t2 time.Duration
	}{
		{"neither", nil, 400 * time.Second, 700 * time.Second},
		{"both", []dhcpv4.Modifier{option(dhcpv4.OptionRenewTimeValue, 100*time.Second), option(dhcpv4.OptionRebindingTimeValue, 200*time.Second)}, 100 * time.Second, 200 * time.Second},
		{"T2 behind the end", []dhcpv4.Modifier{option(dhcpv4.OptionRebindingTimeValue, time.Hour)}, 400 * time.Second, 700 * time.Second},
		{"T1 behind T2", []dhcpv4.Modifier{option(dhcpv4.OptionRenewTimeValue, 750*time.Second)}, 400 * time.Second, 700 * time.Second},
	} {
		got, err := termsOf(acknowledge(t, c.with...), noon)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		want := api.Lease{Granted: noon, Renew: noon.Add(c.t1), Rebind: noon.Add(c.t2), Expires: noon.Add(800 * time.Second)}
		if got.lease != want || got.prefix != netip.MustParsePrefix("198.18.0.7/24") {
			t.Errorf("%s: %+v on %v, want %+v", c.name, got.lease, got.prefix, want)
		}
	}
}

func TestAcknowledgementWithoutAddressOrMaskIsRefused(t *testing.T) {
	if _, err := termsOf(acknowledge(t, dhcpv4.WithYourIP(net.IPv4zero)), noon); err == nil {
		t.Error("no address: accepted")
	}
	bare := acknowledge(t)
	bare.Options.Del(dhcpv4.OptionSubnetMask)
	if _, err := termsOf(bare, noon); err == nil {
		t.Error("no subnet mask: accepted")
	}
}

func TestRenewalIsTriedMoreOftenTowardsTheEnd(t *testing.T) {
	l := api.Lease{Renew: noon, Rebind: noon.Add(60 * time.Second), Expires: noon.Add(100 * time.Second)}
	for at, want := range map[time.Duration]time.Duration{
		0:                         30 * time.Second,
		30 * time.Second:          15 * time.Second,
		59500 * time.Millisecond:  time.Second,
		60 * time.Second:          20 * time.Second,
		99900 * time.Millisecond:  100 * time.Millisecond,
		100500 * time.Millisecond: 0,
	} {
		if got := retryIn(noon.Add(at), l); got != want {
			t.Errorf("%v after T1: again in %v, want %v", at, got, want)
		}
	}
}
