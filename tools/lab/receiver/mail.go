package receiver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Ports and login of a mail server.
const (
	SubmissionPort = 2587 // STARTTLS
	SMTPSPort      = 2465 // TLS from the first byte
	MailUser       = "box"
	MailPassword   = "mail-pass"
)

// Mail is exim. It takes mail for example.com of whoever has logged in, but none for
// nobody@example.com.
type Mail struct {
	*Server
	Certificate
}

// NewMail makes a mail server that does not run yet.
func NewMail() (*Mail, error) {
	s, err := newServer("mail")
	if err != nil {
		return nil, err
	}
	m := &Mail{Server: s}
	if m.Certificate, err = NewCertificate(s.Address); err != nil {
		return nil, err
	}
	text := strings.NewReplacer("DIR", s.dir, "ADDRESS", s.Address.String(), "SUBMISSION", strconv.Itoa(SubmissionPort), "SMTPS", strconv.Itoa(SMTPSPort),
		"USER", MailUser, "PASSWORD", MailPassword).Replace(eximConfig)
	err = errors.Join(m.write(s.dir), os.WriteFile(m.config(), []byte(text), 0o644))
	for _, folder := range []string{"spool", "log", "box"} {
		err = errors.Join(err, m.give(folder))
	}
	return m, err
}

// give makes a folder of exim's own user.
func (m *Mail) give(folder string) error {
	u, err := user.Lookup("Debian-exim")
	if err != nil {
		return err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	path := filepath.Join(m.dir, folder)
	if err := os.Mkdir(path, 0o750); err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

func (m *Mail) config() string { return filepath.Join(m.dir, "exim.conf") }

// Start begins to serve, anew after a Stop.
func (m *Mail) Start() error {
	return m.run(exec.Command("/usr/sbin/exim4", "-bdf", "-C", m.config()), port{"tcp", SubmissionPort}, port{"tcp", SMTPSPort})
}

// Mails returns what has arrived, each whole, in the order of arrival.
func (m *Mail) Mails() []string {
	files, _ := filepath.Glob(filepath.Join(m.dir, "box/new/*"))
	sort.Slice(files, func(a, b int) bool { return arrival(files[a]) < arrival(files[b]) })
	var all []string
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil {
			all = append(all, string(text))
		}
	}
	return all
}

// arrival is the place of a file in the order: exim names them by second and
// microsecond.
func arrival(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return file
	}
	return info.ModTime().Format("2006-01-02T15:04:05.000000000")
}

// Await returns the mails when there are n.
func (m *Mail) Await(n int) ([]string, error) {
	_, err := await(func() string {
		log, _ := os.ReadFile(filepath.Join(m.dir, "log/mainlog"))
		return fmt.Sprintf("%d mails of %d\n%s%s", len(m.Mails()), n, log, m.said())
	}, func(string) bool { return len(m.Mails()) >= n })
	return m.Mails(), err
}

const eximConfig = `
primary_hostname = mail.example.com
local_interfaces = ADDRESS
daemon_smtp_ports = SUBMISSION : SMTPS
tls_on_connect_ports = SMTPS
tls_advertise_hosts = *
tls_certificate = DIR/cert.pem
tls_privatekey = DIR/key.pem
spool_directory = DIR/spool
log_file_path = DIR/log/%slog
pid_file_path = DIR/spool/pid
domainlist local_domains = example.com
acl_smtp_rcpt = recipient
rfc1413_query_timeout = 0s
deliver_drop_privilege = true
smtp_accept_max = 50

begin acl
recipient:
  deny    message = log in first
          !authenticated = *
  deny    message = relay not permitted
          !domains = +local_domains
  deny    message = unknown user
          local_parts = nobody
  accept

begin routers
local:
  driver = accept
  domains = +local_domains
  transport = box

begin transports
box:
  driver = appendfile
  directory = DIR/box
  maildir_format
  envelope_to_add
  return_path_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{USER}}{eq{$auth3}{PASSWORD}}}}
  server_set_id = $auth2
  server_advertise_condition = ${if def:tls_in_cipher}
`
