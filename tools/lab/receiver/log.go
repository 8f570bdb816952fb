package receiver

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Ports of a log server.
const (
	SyslogPort    = 2514 // UDP and TCP
	SyslogTLSPort = 2614
)

// Log is rsyslog.
type Log struct {
	*Server
	Certificate
}

// NewLog makes a log server that does not run yet.
func NewLog() (*Log, error) {
	s, err := newServer("log")
	if err != nil {
		return nil, err
	}
	l := &Log{Server: s}
	if l.Certificate, err = NewCertificate(s.Address); err != nil {
		return nil, err
	}
	text := strings.NewReplacer("DIR", s.dir, "ADDRESS", s.Address.String(), "TLSPORT", strconv.Itoa(SyslogTLSPort), "PORT", strconv.Itoa(SyslogPort)).Replace(rsyslogConfig)
	return l, errors.Join(l.write(s.dir), os.WriteFile(filepath.Join(s.dir, "rsyslog.conf"), []byte(text), 0o644))
}

// Start begins to serve, anew after a Stop.
func (l *Log) Start() error {
	return l.run(exec.Command("/usr/sbin/rsyslogd", "-n", "-f", filepath.Join(l.dir, "rsyslog.conf"), "-i", filepath.Join(l.dir, "pid")),
		port{"udp", SyslogPort}, port{"tcp", SyslogPort}, port{"tcp", SyslogTLSPort})
}

// Lines returns what was logged, each message as the server understood it: version,
// PRI, time, host, app, message ID, structured data and text, with bars between.
func (l *Log) Lines() []string {
	text, _ := os.ReadFile(filepath.Join(l.dir, "messages"))
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// Await returns the lines when there are n.
func (l *Log) Await(n int) ([]string, error) {
	_, err := await(func() string { return strings.Join(l.Lines(), "\n") + l.said() }, func(string) bool { return len(l.Lines()) >= n })
	return l.Lines(), err
}

const rsyslogConfig = `
global(workDirectory="DIR" defaultNetstreamDriverCAFile="DIR/cert.pem"
       defaultNetstreamDriverCertFile="DIR/cert.pem" defaultNetstreamDriverKeyFile="DIR/key.pem")
module(load="imudp")
module(load="imtcp")
template(name="understood" type="string"
         string="%protocol-version%|%pri%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%msgid%|%structured-data%|%msg%\n")
ruleset(name="keep") { action(type="omfile" file="DIR/messages" template="understood") }
input(type="imudp" address="ADDRESS" port="PORT" ruleset="keep")
input(type="imtcp" address="ADDRESS" port="PORT" ruleset="keep")
input(type="imtcp" address="ADDRESS" port="TLSPORT" ruleset="keep"
      streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
`
