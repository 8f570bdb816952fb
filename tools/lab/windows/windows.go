// Package windows runs what a Windows server of the print system looks like from
// the box: a Service Control Manager behind SMB. It is Samba's, whose service
// "Spooler" starts and stops.
package windows

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"spoolgate/tools/lab/netns"
)

// User may log in with Password. Samba takes its users from the machine's, so the
// name stands for one that every Debian has.
const (
	User     = "spoolgate"
	Password = "Watch-the-spooler-1"
)

const (
	unixUser      = "daemon"
	administrator = "root"
)

// Services of a server. WINS always runs, Idle never does; nobody may ask for the
// state of Denied.
const (
	Spooler = "Spooler"
	WINS    = "WINS"
	Idle    = "NETLOGON"
	Denied  = "Billing"
)

// Server is a server that runs.
type Server struct {
	ns      *netns.Namespace
	at      netip.Addr
	dir     string
	options []string
	cmd     *exec.Cmd
	output  *os.File
}

// secure is how a server is set up that trusts nobody: what is not signed and
// encrypted by SMB 3 it refuses.
var secure = []string{"server min protocol = SMB3_00", "server signing = mandatory", "server smb encrypt = required"}

// Start runs a server in a namespace, with its files in a directory of its own,
// and waits until it listens at an address. It insists on signing and encryption;
// options are lines of smb.conf that overrule this and everything else.
func Start(ns *netns.Namespace, dir string, at netip.Addr, options ...string) (*Server, error) {
	s := &Server{ns: ns, at: at, dir: dir, options: append(slices.Clone(secure), options...)}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if err := s.Run(); err != nil {
		return nil, err
	}
	return s, nil
}

// Conf is the path of the configuration, for Samba's own commands.
func (s *Server) Conf() string { return filepath.Join(s.dir, "smb.conf") }

func (s *Server) prepare() error {
	if err := s.write(); err != nil {
		return err
	}
	users := filepath.Join(s.dir, "users")
	if err := os.WriteFile(users, []byte(unixUser+" = "+User+"\n"), 0o644); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	for _, sub := range []string{"private", "lock", "state", "cache", "pid", "rpc"} {
		if err := os.Mkdir(filepath.Join(s.dir, sub), 0o755); err != nil {
			return fmt.Errorf("server: %w", err)
		}
	}
	for _, user := range []string{unixUser, administrator} {
		add := exec.Command("smbpasswd", "-c", s.Conf(), "-s", "-a", user)
		add.Stdin = strings.NewReader(Password + "\n" + Password + "\n")
		if out, err := add.CombinedOutput(); err != nil {
			return fmt.Errorf("smbpasswd: %w: %s", err, out)
		}
	}
	return nil
}

func (s *Server) write() error {
	lines := []string{"[global]", "netbios name = PRINT1", "workgroup = SITE", "server role = standalone server",
		"disable netbios = yes", "wins support = yes",
		"rpcd_classic:num_workers = 1", // Samba keeps the state of a service in the process that answers
		"smb ports = 445", "load printers = no", "printing = bsd", "printcap name = /dev/null",
		"username map = " + filepath.Join(s.dir, "users"), "svcctl list = " + Denied,
		"passdb backend = tdbsam:" + filepath.Join(s.dir, "private", "passdb.tdb"), "logging = file", "log level = 1",
		"log file = " + filepath.Join(s.dir, "log")}
	for key, sub := range map[string]string{"private dir": "private", "lock directory": "lock", "state directory": "state",
		"cache directory": "cache", "pid directory": "pid", "ncalrpc dir": "rpc"} {
		lines = append(lines, key+" = "+filepath.Join(s.dir, sub))
	}
	lines = append(lines, s.options...)
	if err := os.WriteFile(s.Conf(), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}

// Run starts a server that was stopped, in a process namespace of its own,
// which ends with it: the helpers that smbd starts leave its process group.
func (s *Server) Run() error {
	out, err := os.Create(filepath.Join(s.dir, "output"))
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	s.output = out
	s.cmd = exec.Command("smbd", "-F", "--no-process-group", "-s", s.Conf())
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if err := s.ns.Start(s.cmd); err != nil {
		return errors.Join(fmt.Errorf("smbd: %w", err), out.Close())
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := s.ns.Do(func() error {
			c, err := net.DialTimeout("tcp", net.JoinHostPort(s.at.String(), "445"), time.Second)
			if err != nil {
				return err
			}
			return c.Close()
		})
		if err == nil {
			// Samba starts the process that answers with the first question, which a
			// server that refuses everybody does not hear.
			_ = s.control("status")
			return nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(out.Name())
			return errors.Join(fmt.Errorf("smbd does not listen: %w: %s", err, text), s.Stop())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// SetSpooler starts or stops the service, as an administrator does.
func (s *Server) SetSpooler(running bool) error {
	verb := "stop"
	if running {
		verb = "start"
	}
	return s.control(verb)
}

// control is what an administrator does with the service Spooler.
func (s *Server) control(verb string) error {
	_, err := s.ns.Output("net", "rpc", "service", verb, Spooler, "-s", s.Conf(), "-I", s.at.String(), "-U", administrator+"%"+Password)
	return err
}

// Stop ends the server.
func (s *Server) Stop() error {
	err := s.cmd.Process.Kill()
	_ = s.cmd.Wait() // killed
	return errors.Join(err, s.output.Close())
}
