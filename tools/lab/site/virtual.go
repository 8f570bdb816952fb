package site

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"spoolgate/tools/lab/netns"
	"spoolgate/tools/vm"
)

// The network of the people who look after the box.
var (
	managementNetwork = netip.MustParsePrefix("198.19.200.0/24")
	// ManagementAddress is the box's own, that its web UI is on.
	ManagementAddress = netip.MustParseAddr("198.19.200.2")
	// OfficeAddress is where people sit.
	OfficeAddress = netip.MustParseAddr("198.19.200.1")
	// WebUI is where the box's web UI is.
	WebUI = netip.AddrPortFrom(ManagementAddress, 443)
)

// BoxCable is what the cable to the box's service interface is called at the switch.
const BoxCable = "box"

const officeCable = "office"

// VirtualBox is the real image in QEMU, with its two interfaces in the site.
type VirtualBox struct {
	*vm.VM
	// Office is where people sit: the management network's other end.
	Office *netns.Namespace
	Disk   string
	// PoweredOn is when it was switched on last.
	PoweredOn time.Time
	config    vm.Config
}

// AddVirtualBox writes a configuration onto a copy of the image's disk, plugs
// the box into the site and switches it on. It starts to serve some seconds
// later. An empty configuration is a new box's: none.
func (s *Site) AddVirtualBox(ctx context.Context, image vm.Image, config string, log func(string)) (*VirtualBox, error) {
	office, err := s.space()
	if err != nil {
		return nil, err
	}
	b := &VirtualBox{Office: office}
	if b.Disk, err = image.Disk(s.dir); err != nil {
		return nil, err
	}
	if config != "" {
		file := filepath.Join(s.dir, "config.toml")
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			return nil, err
		}
		if err := vm.PutData(b.Disk, file, "config.toml"); err != nil {
			return nil, err
		}
	}
	b.config = vm.Config{Disk: b.Disk, Image: image, Log: log}
	if b.config.Service, err = s.tap(s.Switch, BoxCable); err != nil {
		return nil, err
	}
	if err := s.Switch.Plug(BoxCable, printerSwitch); err != nil {
		return nil, err
	}
	if b.config.Management, err = s.tap(office, officeCable); err != nil {
		return nil, err
	}
	if config == "" {
		err = s.serveNewBox(office)
	} else {
		err = office.Address(officeCable, netip.PrefixFrom(OfficeAddress, managementNetwork.Bits()))
	}
	if err != nil {
		return nil, err
	}
	return b, b.PowerOn(ctx)
}

// serveNewBox has a DHCP server in both networks, which give a box that has no
// configuration the addresses that it would be configured to have.
func (s *Site) serveNewBox(office *netns.Namespace) error {
	gateway := netip.PrefixFrom(Network.Addr().Next(), Network.Bits())
	if err := s.ServeDHCP(s.Switch, printerSwitch, gateway, BoxAddress); err != nil {
		return err
	}
	return s.ServeDHCP(office, officeCable, netip.PrefixFrom(OfficeAddress, managementNetwork.Bits()), ManagementAddress)
}

// PowerOn starts the box, at first or after CutPower.
func (b *VirtualBox) PowerOn(ctx context.Context) (err error) {
	b.PoweredOn = time.Now()
	b.VM, err = vm.Start(ctx, b.config)
	return err
}

// tap makes the far end of one of the box's interfaces.
func (s *Site) tap(n *netns.Namespace, name string) (f *os.File, err error) {
	err = n.Do(func() error {
		f, err = vm.OpenTap(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.taps = append(s.taps, f)
	return f, n.Up(name)
}

// BoxConfig is a configuration of the box in the site: its own addresses, more
// lines about the service interface, and the group.
func (s *Site) BoxConfig(group string, service ...string) string {
	return fmt.Sprintf("[service]\naddresses = [%q]\n%s\n[management]\naddresses = [%q]\n",
		netip.PrefixFrom(BoxAddress, Network.Bits()), strings.Join(service, "\n"), netip.PrefixFrom(ManagementAddress, managementNetwork.Bits())) + group
}
