package acceptance

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
	"spoolgate/tools/lab/vsftpd"
)

// E21: 20 MFDs at once send scans by FTP and fetch them again, by PASV and EPSV,
// 640 MiB each way; each stays on its node with control and data, and what comes
// back is what was sent.
func TestTwentyMFDsSendAndFetchScansByPassiveFTP(t *testing.T) {
	const size = 16 << 20
	p := open(t, site.Options{Nodes: 2, MFDs: 20})
	before := p.landings(p.MFDs, 5011)
	p.each(len(p.MFDs), func(i int) error {
		for _, mode := range []mfd.FTPMode{mfd.PASV, mfd.EPSV} {
			scan, err := p.MFDs[i].FTP(t.Context(), mode, size)
			if err != nil {
				return err
			}
			if scan.Node != before[i] || scan.SeenAs != site.VIP {
				return fmt.Errorf("%s: %s took the scan of %s, MFD %d is bound to %s", mode, scan.Node, scan.SeenAs, i, before[i])
			}
		}
		return nil
	})
}

// E21 with other people's programs: vsftpd serves, curl sends and fetches, and
// goes where the reply to PASV says.
func TestCurlAndVsftpdAgreeThroughTheBox(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 4, Node: func(c *node.Config) { c.NoFTP = true }})
	for i := range p.Nodes {
		p.vsftpd(i)
	}
	dir := t.TempDir()
	content := make([]byte, 3_000_000)
	rand.Read(content)
	p.must(os.WriteFile(filepath.Join(dir, "scan"), content, 0o600))
	for i, m := range p.MFDs {
		for _, way := range []string{"--disable-epsv", "--disable-eprt"} { // PASV, EPSV
			name := fmt.Sprintf("upload/scan%d%s", i, way)
			back := filepath.Join(dir, "back")
			for _, transfer := range [][]string{{"-T", filepath.Join(dir, "scan")}, {"-o", back}} {
				args := append([]string{"-sS", "--max-time", "20", "--interface", m.Address.String(), "--no-ftp-skip-pasv-ip", way}, transfer...)
				_, err := m.Namespace.Output("curl", append(args, "ftp://"+site.VIP.String()+"/"+name)...)
				p.must(err)
			}
			if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes came back, %v", way, len(got), err)
			}
		}
		for _, mode := range []mfd.FTPMode{mfd.PASV, mfd.EPSV} {
			f := p.login(m)
			f.say(250, "cwd upload")
			f.transfer(strings.ToLower(string(mode)))
		}
	}
}

// vsftpd starts the server on a node, with extra lines of configuration. It ends
// with the test, or before.
func (p *place) vsftpd(i int, extra ...string) (stop func()) {
	p.Helper()
	dir := p.TempDir()
	p.must(os.Chmod(filepath.Dir(dir), 0o755))
	conf, _, err := vsftpd.Configure(dir, append([]string{"listen_address=" + p.NodeAddress(i).String(), "ftpd_banner=vsftpd"}, extra...)...)
	p.must(err)
	cmd := exec.Command("vsftpd", conf)
	p.must(p.Nodes[i].Namespace.Start(cmd))
	stop = sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait() })
	p.Cleanup(stop)
	ctx, cancel := context.WithTimeout(p.Context(), within)
	defer cancel()
	p.must(vsftpd.Await(ctx, p.Nodes[i].Namespace, p.NodeAddress(i)))
	return stop
}

// E22: commands in lower case.
func TestLowerCaseFTPCommandsWork(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 2})
	for _, m := range p.MFDs {
		for _, way := range []string{"pasv", "epsv"} {
			p.login(m).transfer(way)
		}
	}
}

// E22: FTP over TLS, which no helper can read, works by the configured range of
// passive ports, where control and data are on one node as well.
func TestEncryptedFTPWorksWithAConfiguredPassiveRange(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 3, MFDs: 9, Node: func(c *node.Config) {
		c.FTPS, c.PassivePorts, c.PassiveAddress = true, [2]uint16{50000, 50049}, site.VIP
	}}, `passive_ports = "50000-50049"`)
	before := p.landings(p.MFDs, 5011)
	p.each(len(p.MFDs), func(i int) error {
		for _, mode := range []mfd.FTPMode{mfd.TLSPASV, mfd.TLSEPSV, mfd.PASV, mfd.EPSV} {
			scan, err := p.MFDs[i].FTP(t.Context(), mode, 1<<20)
			if err != nil {
				return fmt.Errorf("%s: %w", mode, err)
			}
			if scan.Node != before[i] || scan.SeenAs != site.VIP {
				return fmt.Errorf("%s: %s took the scan of %s, MFD %d is bound to %s", mode, scan.Node, scan.SeenAs, i, before[i])
			}
		}
		return nil
	})
}

// E23: the data port that MFD A was given is refused to MFD B.
func TestDataPortOfOneMFDIsRefusedToAnother(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 3})
	for _, way := range []string{"pasv", "epsv"} {
		f := p.login(p.MFDs[0])
		at := f.passive(way)
		for _, other := range p.MFDs[1:] {
			if _, err := other.Namespace.Dial(t.Context(), other.Address, at); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%s: the data port of another MFD: %v, want refused", way, err)
			}
		}
		f.send(at)
	}
}
