package arena

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"spoolgate/tools/bench/load"
	"spoolgate/tools/lab/vsftpd"
)

// firstPassive to lastPassive are the ports of the FTP servers behind proxies, which must know them:
// a proxy does not read what FTP says.
const firstPassive, lastPassive = 50000, 50099

// ScanName is the name of the file that ServeFTP has.
const ScanName = "scan"

// ServeFTP starts vsftpd on the nodes. Behind a proxy it has to be set up to say the
// proxy's address and ports.
func (a *Arena) ServeFTP(ctx context.Context, c Contestant) error {
	lines := []string{"isolate=NO"}
	if c.Proxy {
		lines = append(lines, "pasv_address="+VIP.String(), "pasv_promiscuous=YES",
			fmt.Sprintf("pasv_min_port=%d", firstPassive), fmt.Sprintf("pasv_max_port=%d", lastPassive))
	}
	// The server of anonymous users runs as one of them.
	if err := os.Chmod(a.dir, 0o755); err != nil {
		return err
	}
	config, root, err := vsftpd.Configure(filepath.Join(a.dir, "ftp"), lines...)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, ScanName), load.Scan(), 0o644); err != nil {
		return err
	}
	if err := a.start(a.nodes, a.serve, exec.CommandContext(ctx, "vsftpd", config)); err != nil {
		return err
	}
	starting, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return vsftpd.Await(starting, a.nodes, Node(0))
}
