// Package site is a print site to try the box in: a switch, nodes and printers
// in network namespaces, and a place for the box, which may be a namespace too
// or a virtual machine.
package site

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"spoolgate/firmware/config"
	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/node"
)

// Limits are those of a box, but for times: nobody waits half an hour for a
// test. They are here, outside the image, so that no box can be given them.
func Limits() config.Limits {
	l := config.Required()
	l.MinAffinity = time.Second
	l.MinInterval = 50 * time.Millisecond
	l.MinTimeout = 20 * time.Millisecond
	l.MinUpDelay = 100 * time.Millisecond
	l.MinLook = 500 * time.Millisecond
	return l
}

// The addresses of a site. Printers and, with one arm, the nodes are in one
// network with the box; with two arms the nodes have their own.
var (
	Network     = netip.MustParsePrefix("198.18.0.0/16")
	BoxAddress  = netip.MustParseAddr("198.18.0.2")
	VIP         = netip.MustParseAddr("198.18.0.10")
	nodeNetwork = netip.MustParsePrefix("198.19.0.0/16")
	nodeGateway = netip.MustParseAddr("198.19.0.2")
)

// Options say what a site has.
type Options struct {
	// Program is the lab command.
	Program string
	Nodes   int
	MFDs    int
	// TwoArms puts the nodes behind the box, which transparent mode needs.
	TwoArms bool
	// Node changes the configuration of a node before it starts.
	Node func(*node.Config)
}

// Site is a print site.
type Site struct {
	Options
	Switch  *netns.Namespace
	Nodes   []*Node
	MFDs    []*mfd.MFD
	dir     string
	spaces  []*netns.Namespace
	boxes   []*Box
	taps    []*os.File
	servers []*exec.Cmd
	links   int
}

// Node is a node of the site, in a namespace of its own.
type Node struct {
	*node.Process
	Namespace *netns.Namespace
	cable     string // at the switch
}

const (
	printerSwitch = "printers"
	nodeSwitch    = "nodes"
	port          = "eth0"
)

// roomForNeighbours raises the limits of the kernel's table of neighbours, where it
// may. All namespaces of a machine share one of 1,024, which a site of a thousand
// printers fills: then the one or other of them is not found.
func roomForNeighbours() error {
	for name, most := range map[string]int{"gc_thresh2": 16384, "gc_thresh3": 32768} {
		path := "/proc/sys/net/ipv4/neigh/default/" + name
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // not the machine's own namespace
		}
		if now, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || now >= most {
			continue
		}
		if err := os.WriteFile(path, []byte(strconv.Itoa(most)), 0); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// New builds a site. Close it.
func New(o Options) (_ *Site, err error) {
	s := &Site{Options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "spoolgate-site-"); err != nil {
		return nil, err
	}
	if s.Switch, err = s.space(); err != nil {
		return nil, err
	}
	for _, name := range []string{printerSwitch, nodeSwitch} {
		if err := s.Switch.Bridge(name); err != nil {
			return nil, err
		}
	}
	if err := roomForNeighbours(); err != nil {
		return nil, err
	}
	if err := s.addMFDs(o.MFDs); err != nil {
		return nil, err
	}
	for i := range o.Nodes {
		if err := s.addNode(i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Site) space() (*netns.Namespace, error) {
	n, err := netns.New()
	if err == nil {
		s.spaces = append(s.spaces, n)
	}
	return n, err
}

// plug joins a namespace to a switch by a cable that is called name there, and
// returns what the cable is called at the switch.
func (s *Site) plug(n *netns.Namespace, name, bridge string) (cable string, err error) {
	s.links++
	cable = fmt.Sprintf("port%d", s.links)
	if err := netns.Pair(s.Switch, cable, n, name); err != nil {
		return "", err
	}
	return cable, s.Switch.Plug(cable, bridge)
}

// Rack puts a machine without an address into the site, its interface called
// service.
func (s *Site) Rack() (*netns.Namespace, error) {
	space, err := s.space()
	if err != nil {
		return nil, err
	}
	_, err = s.plug(space, "service", printerSwitch)
	return space, err
}

// PullCable takes the i-th node off the network, as a power cut of it does: what
// is sent to it meets silence.
func (s *Site) PullCable(i int) error { return s.Switch.Down(s.Nodes[i].cable) }

// PutCable ends PullCable.
func (s *Site) PutCable(i int) error { return s.Switch.Up(s.Nodes[i].cable) }

// NodeAddress is the address of the i-th node, from 0.
func (s *Site) NodeAddress(i int) netip.Addr {
	network := Network
	if s.TwoArms {
		network = nodeNetwork
	}
	a := network.Addr().As4()
	a[3] = byte(11 + i)
	return netip.AddrFrom4(a)
}

// MFDAddress is the address of the i-th printer, from 0.
func MFDAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(1 + i/250), byte(1 + i%250)})
}

func (s *Site) addMFDs(n int) error {
	space, err := s.space()
	if err != nil {
		return err
	}
	if _, err := s.plug(space, port, printerSwitch); err != nil {
		return err
	}
	for i := range n {
		a := MFDAddress(i)
		if err := space.Address(port, netip.PrefixFrom(a, Network.Bits())); err != nil {
			return err
		}
		s.MFDs = append(s.MFDs, &mfd.MFD{Namespace: space, Address: a, Box: VIP})
	}
	if s.TwoArms && n > 0 {
		return space.Route(nodeNetwork, BoxAddress)
	}
	return nil
}

func (s *Site) addNode(i int) error {
	space, err := s.space()
	if err != nil {
		return err
	}
	bridge, bits := printerSwitch, Network.Bits()
	if s.TwoArms {
		bridge, bits = nodeSwitch, nodeNetwork.Bits()
	}
	cable, err := s.plug(space, port, bridge)
	if err != nil {
		return err
	}
	address := s.NodeAddress(i)
	if err := space.Address(port, netip.PrefixFrom(address, bits)); err != nil {
		return err
	}
	if s.TwoArms {
		if err := space.Route(netip.MustParsePrefix("0.0.0.0/0"), nodeGateway); err != nil {
			return err
		}
	}
	s.Nodes = append(s.Nodes, &Node{Namespace: space, cable: cable})
	return s.StartNode(i)
}

// StartNode starts the i-th node, at first or after its end.
func (s *Site) StartNode(i int) error {
	c := node.Config{Name: string(rune('A' + i)), Address: s.NodeAddress(i)}
	c.Dir = filepath.Join(s.dir, "node-"+c.Name)
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	if s.Options.Node != nil {
		s.Options.Node(&c)
	}
	p, err := node.Start(s.Nodes[i].Namespace, c, s.Program, "node")
	s.Nodes[i].Process = p
	return err
}

// Close ends everything that the site started.
func (s *Site) Close() error {
	var errs []error
	for _, b := range s.boxes {
		errs = append(errs, b.Kill())
	}
	for _, n := range s.Nodes {
		if n.Process != nil {
			errs = append(errs, n.End())
		}
	}
	s.closeServers()
	for _, f := range s.taps {
		errs = append(errs, f.Close())
	}
	for _, n := range s.spaces {
		errs = append(errs, n.Close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
