package api

import (
	"net/netip"
	"time"
)

// Network is what netd serves at GET /v1/network.
type Network struct {
	Time             time.Time        `json:"time"`
	Interfaces       []Interface      `json:"interfaces"`
	VirtualAddresses []VirtualAddress `json:"virtual_addresses"`
	DNS              []netip.Addr     `json:"dns"`
}

// Interface is one network interface of the box, by its role.
type Interface struct {
	Role     string         `json:"role"` // service, management
	Name     string         `json:"name"` // such as end0 or end0.120
	MAC      string         `json:"mac"`
	Disabled bool           `json:"disabled"`
	Carrier  bool           `json:"carrier"` // a cable is in and the other end is on
	Speed    int            `json:"speed"`   // Mbit/s; 0 when unknown
	DHCP     bool           `json:"dhcp"`
	Gateway  netip.Addr     `json:"gateway,omitzero"`
	Address  []AddressOfBox `json:"addresses"`
	Lease    *Lease         `json:"lease,omitempty"`
	Trouble  string         `json:"trouble,omitempty"` // what is wrong and what to do; empty when all is well
	Since    time.Time      `json:"since"`             // of Carrier
}

// AddressOfBox is one of the box's own addresses.
type AddressOfBox struct {
	Prefix netip.Prefix `json:"prefix"`
	Hold
}

// VirtualAddress is the virtual address of a group.
type VirtualAddress struct {
	Group   string     `json:"group"`
	Address netip.Addr `json:"address"`
	Hold
}

// Hold says whether the box has an address.
type Hold struct {
	State  HoldState `json:"state"`
	Reason string    `json:"reason"`
	// Holder is the MAC of another machine that uses the address.
	Holder string    `json:"holder,omitempty"`
	Since  time.Time `json:"since"`
}

// HoldState is how far the box has come with an address.
type HoldState string

// The states of an address.
const (
	Waiting  HoldState = "waiting"  // for the cable, or for the duplicate-address check
	Held     HoldState = "held"     // answers for it
	Conflict HoldState = "conflict" // another machine has it: refused
	Disputed HoldState = "disputed" // the box holds it, and another machine claims it too
)

// Lease is what a DHCP server granted.
type Lease struct {
	Server  netip.Addr `json:"server"`
	Granted time.Time  `json:"granted"`
	Renew   time.Time  `json:"renew"`  // T1
	Rebind  time.Time  `json:"rebind"` // T2
	Expires time.Time  `json:"expires"`
}
