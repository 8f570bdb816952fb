package site

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"

	"spoolgate/tools/lab/netns"
)

// ServeDHCP starts a DHCP server (udhcpd) at a link of a namespace, with an
// address of its own there, that has a single address to give.
func (s *Site) ServeDHCP(n *netns.Namespace, link string, own netip.Prefix, lease netip.Addr) error {
	if err := n.Address(link, own); err != nil {
		return err
	}
	base := filepath.Join(s.dir, "dhcp-"+link)
	text := fmt.Sprintf("start %s\nend %s\ninterface %s\nlease_file %s.leases\npidfile %s.pid\nremaining no\nopt subnet 255.255.%d.0\nopt router %s\nopt lease 600\n",
		lease, lease, link, base, base, 255*(own.Bits()/24), own.Addr())
	if err := os.WriteFile(base+".leases", nil, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(base+".conf", []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.Command("udhcpd", "-f", base+".conf")
	if err := n.Start(cmd); err != nil {
		return fmt.Errorf("start udhcpd (make deps installs it): %w", err)
	}
	s.servers = append(s.servers, cmd)
	return nil
}

// closeServers ends what ServeDHCP started. That they end by our signal is no
// error.
func (s *Site) closeServers() {
	for _, cmd := range s.servers {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	s.servers = nil
}
