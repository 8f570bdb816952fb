package arena

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// PassivePorts are those of the FTP servers behind proxies, which must know them:
// a proxy does not read what FTP says.
const firstPassive, lastPassive = 50000, 50099

// ScanBytes is the size of the file that ServeFTP has, ScanName its name.
const (
	ScanBytes = 64 << 10
	ScanName  = "scan"
)

// ServeFTP starts vsftpd on the nodes. Behind a proxy it has to be set up to say the
// proxy's address and ports.
func (a *Arena) ServeFTP(ctx context.Context, c Contestant) error {
	root, empty := filepath.Join(a.dir, "ftp"), filepath.Join(a.dir, "empty")
	for _, dir := range []string{root, empty} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	// The server of anonymous users runs as one of them.
	if err := os.Chmod(a.dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, ScanName), make([]byte, ScanBytes), 0o644); err != nil {
		return err
	}
	lines := []string{
		"listen=YES", "background=NO", "anonymous_enable=YES", "no_anon_password=YES", "ftp_username=daemon", "anon_root=" + root,
		"seccomp_sandbox=NO", "isolate_network=NO", "isolate=NO", "connect_from_port_20=NO", "secure_chroot_dir=" + empty,
	}
	if c.Proxy {
		lines = append(lines, "pasv_address="+VIP.String(), "pasv_promiscuous=YES",
			fmt.Sprintf("pasv_min_port=%d", firstPassive), fmt.Sprintf("pasv_max_port=%d", lastPassive))
	}
	config, err := a.file("vsftpd.conf", strings.Join(lines, "\n")+"\n")
	if err != nil {
		return err
	}
	if err := a.start(a.nodes, a.serve, exec.CommandContext(ctx, "vsftpd", config)); err != nil {
		return err
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if conn, err := a.nodes.Dial(ctx, Node(0), netip.AddrPortFrom(Node(0), 21)); err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("vsftpd does not answer")
}
