package acceptance

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/secret"
	"spoolgate/tools/lab/receiver"
	"spoolgate/tools/lab/site"
)

// told is a site that lets the box report: a log server, a management station, a
// mail server that is down, and a name server that knows only the first of them.
type told struct {
	*testing.T
	names   *receiver.Names
	log     *receiver.Log
	station *receiver.Station
	mail    *receiver.Mail
	box     string // folder of the balancer
	dir     string
	reportd *exec.Cmd
}

func (s *told) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func newTold(t *testing.T, box string) *told {
	s := &told{T: t, box: box, dir: t.TempDir()}
	var err error
	s.names, err = receiver.NewNames()
	s.must(err)
	s.log, err = receiver.NewLog()
	s.must(err)
	s.station, err = receiver.NewStation([]string{"../../firmware/report/mib", "../../firmware/report/mib/testdata/base"}, "80001f8804626f78", "SHA-256", "AES")
	s.must(err)
	s.mail, err = receiver.NewMail()
	s.must(err)
	t.Cleanup(func() { s.names.Close(); s.log.Close(); s.station.Close(); s.mail.Close() })
	s.must(s.names.Start(map[string]netip.Addr{"log.example.com": s.log.Address}))
	s.must(s.log.Start())
	s.must(s.station.Start())
	key, err := secret.MakeKey(filepath.Join(s.dir, "box.key"))
	s.must(err)
	s.must(os.WriteFile(filepath.Join(s.dir, "config.toml"), fmt.Appendf(nil, `hostname = "box"
[[group]]
virtual_address = "198.18.0.10"
node = [{ address = "198.18.0.11" }]
[report.syslog]
server = "log.example.com"
port = %d
transport = "tcp"
[report.snmp]
server = "%s"
port = %d
version = "3"
user = "%s"
auth_password = "%s"
privacy_password = "%s"
[report.mail]
server = "mail.example.com"
port = %d
user = "%s"
password = "%s"
from = "spoolgate@example.com"
to = ["admins@example.com"]
fingerprint = "%s"
`, receiver.SyslogPort, s.station.Address, receiver.TrapPort, receiver.TrapUser, string(key.Seal(receiver.AuthPassword)), string(key.Seal(receiver.PrivacyPassword)),
		receiver.SubmissionPort, receiver.MailUser, string(key.Seal(receiver.MailPassword)), s.mail.Fingerprint), 0o600))
	s.start()
	return s
}

func (s *told) start() {
	s.Helper()
	cmd, err := s.names.Inside(program("reportd"), "-config", filepath.Join(s.dir, "config.toml"), "-state", s.dir, "-key", filepath.Join(s.dir, "box.key"),
		"-balancer", filepath.Join(s.box, "balancerd.sock"), "-socket", s.socket())
	s.must(err)
	errs, err := os.OpenFile(s.errs(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	s.must(err)
	defer errs.Close()
	cmd.Stderr = errs
	s.must(cmd.Start())
	s.reportd = cmd
	s.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if s.Failed() {
			s.Logf("reportd said:\n%s", s.said())
		}
	})
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		_, err := wire.NewClient(s.socket()).Reporters(s.Context())
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.Fatal(err)
		}
	}
}

func (s *told) errs() string { return filepath.Join(s.dir, "errs") }

// said is what the daemon wrote to its log.
func (s *told) said() string {
	text, err := os.ReadFile(s.errs())
	s.must(err)
	return string(text)
}

func (s *told) socket() string { return filepath.Join(s.box, "reportd.sock") }

// says runs spoolctl and returns what it says, with its exit status.
func (s *told) says(args ...string) string {
	out, err := exec.Command(program("spoolctl"), append(args, "-reportd", s.socket())...).CombinedOutput()
	return fmt.Sprintf("%s(%v)", out, err)
}

// expects waits until spoolctl says all of it.
func (s *told) expects(command string, words ...string) {
	s.Helper()
	var said string
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		said = s.says(strings.Fields(command)...)
		all := true
		for _, w := range words {
			all = all && strings.Contains(said, w)
		}
		if all {
			return
		}
	}
	s.Errorf("spoolctl %s does not say %q but\n%s", command, words, said)
}

// logged waits until a line of the log has all the words.
func (s *told) logged(words ...string) {
	s.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		lines := s.log.Lines()
		for _, line := range lines {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return
			}
		}
		if time.Now().After(end) {
			s.Fatalf("no line of the log has %q:\n%s", words, strings.Join(lines, "\n"))
		}
	}
}

// G29 with the programs of the box and their own back-off; the two hours are in the
// tests of package report, which has a clock for them.
func TestSiteIsToldWhileItsMailServerIsDownAndByMailWhenItIsBack(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 2}, `checks.up_delay = "300ms"`)
	s := newTold(t, p.box.Dir)
	s.expects("report test syslog", "log.example.com is "+s.log.Address.String(), "the server took it", "(<nil>)")
	s.expects("report test mail", "DNS  STOPPED", "knows no mail.example.com", "(exit status 1)")
	p.must(p.Nodes[0].Kill())
	s.logged(`phase="begin"`, `incidentKind="node.down"`, `incidentNode="A"`, `incidentSeverity="warning"`)
	if _, err := s.station.Await("SPOOLGATE-MIB::spoolgateIncidentBegin"); err != nil {
		t.Fatal(err)
	}
	s.expects("report list", "mail: stopped at DNS", "engine ID 0x80001f8804626f78")

	p.must(s.names.Stop())
	p.must(s.names.Start(map[string]netip.Addr{"log.example.com": s.log.Address, "mail.example.com": s.mail.Address}))
	s.expects("report test mail", "mail.example.com is "+s.mail.Address.String(), "connect  STOPPED", "nobody listens")
	p.must(s.reportd.Process.Kill()) // as a power cut
	s.reportd.Wait()
	p.must(s.mail.Start())
	s.start()
	_, err := s.mail.Await(1)
	p.must(err)
	s.expects("report test mail", `user "`+receiver.MailUser+`" is let in`, "admins@example.com is taken", "(<nil>)")

	// A balancer that dies leaves numbers out; nobody missed anything by it.
	p.must(p.box.Kill())
	p.must(p.box.Start())
	p.must(p.StartNode(0))
	s.logged(`phase="clear"`, `incidentKind="node.down"`, `incidentNode="A"`)
	mails, err := s.mail.Await(3)
	p.must(err)
	all := strings.Join(mails, "")
	for _, verdict := range []string{"Warning", "Over"} {
		if c := strings.Count(all, "Subject: box: "+verdict+": "); c != 1 {
			t.Errorf("%d mails are of the verdict %q:\n%s", c, verdict, all)
		}
	}
	if !strings.Contains(all, "Cause       ") || !strings.Contains(all, "What to do  ") || strings.Contains(all, "no longer kept") {
		t.Errorf("the mails are\n%s", all)
	}
	if text := s.said(); text == "" || strings.Contains(text, receiver.MailPassword) {
		t.Errorf("the log of reportd is empty, or tells the password:\n%s", text)
	}
}
