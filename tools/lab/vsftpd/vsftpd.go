// Package vsftpd sets the real FTP server up on a node, for tests and measurements.
package vsftpd

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"spoolgate/tools/lab/netns"
)

// Configure writes the configuration of a server for anonymous users, who find root and
// may write into its folder upload, and returns its file. dir is for the server alone;
// lines are further ones of the configuration.
func Configure(dir string, lines ...string) (file, root string, err error) {
	root = filepath.Join(dir, "root")
	empty := filepath.Join(dir, "empty")
	for _, folder := range []struct {
		path string
		mode os.FileMode
	}{{dir, 0o755}, {root, 0o755}, {filepath.Join(root, "upload"), 0o777}, {empty, 0o755}} {
		if err := os.MkdirAll(folder.path, folder.mode); err != nil {
			return "", "", err
		}
		// Anonymous users are somebody else, and the umask is for us.
		if err := os.Chmod(folder.path, folder.mode); err != nil {
			return "", "", err
		}
	}
	file = filepath.Join(dir, "vsftpd.conf")
	text := strings.Join(append([]string{
		"listen=YES", "background=NO", "anonymous_enable=YES", "no_anon_password=YES", "write_enable=YES", "ftp_username=daemon",
		"anon_upload_enable=YES", "anon_umask=022", "anon_root=" + root, "seccomp_sandbox=NO", "isolate_network=NO", "connect_from_port_20=NO",
		"secure_chroot_dir=" + empty,
	}, lines...), "\n") + "\n"
	return file, root, os.WriteFile(file, []byte(text), 0o644)
}

// Await waits until the server at an address of the namespace answers, or ctx ends.
func Await(ctx context.Context, n *netns.Namespace, at netip.Addr) error {
	for {
		c, err := n.Dial(ctx, at, netip.AddrPortFrom(at, 21))
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("vsftpd does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
