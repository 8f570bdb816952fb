package receiver

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
)

// Names is a name server (dnsmasq) that knows the names it is given, and no others.
type Names struct{ *Server }

// NewNames makes a name server that does not run yet.
func NewNames() (*Names, error) {
	s, err := newServer("names")
	return &Names{s}, err
}

// Start begins to serve, anew after a Stop.
func (n *Names) Start(names map[string]netip.Addr) error {
	args := []string{"--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--no-resolv", "--no-hosts", "--bind-interfaces",
		"--listen-address=" + n.Address.String(), "--local=/example.com/"}
	for name, a := range names {
		args = append(args, fmt.Sprintf("--host-record=%s,%s", name, a))
	}
	return n.run(exec.Command("/usr/sbin/dnsmasq", args...), port{"udp", 53})
}

// Inside has a program look names up here: it runs in a mount namespace of its own,
// in which /etc/resolv.conf names this server alone.
func (n *Names) Inside(program string, args ...string) (*exec.Cmd, error) {
	file := filepath.Join(n.dir, "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+n.Address.String()+"\n"), 0o644); err != nil {
		return nil, err
	}
	script := `mount --bind "$0" /etc/resolv.conf && exec "$@"`
	return exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, file, program}, args...)...), nil
}
