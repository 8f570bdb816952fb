package report

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/snmp"
	"spoolgate/firmware/secret"
	"spoolgate/tools/lab/receiver"
)

// handClock goes on only when it is told.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []timer
}

type timer struct {
	at   time.Time
	ring chan time.Time
}

func (h *handClock) clock() Clock {
	return Clock{Now: func() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now }, After: h.after}
}

func (h *handClock) after(d time.Duration) <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := timer{h.now.Add(d), make(chan time.Time, 1)}
	h.timers = append(h.timers, t)
	return t.ring
}

func (h *handClock) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
	var left []timer
	for _, t := range h.timers {
		if t.at.After(h.now) {
			left = append(left, t)
		} else {
			t.ring <- h.now
		}
	}
	h.timers = left
}

// office is one with real receivers behind it, and a clock of its own.
type office struct {
	*testing.T
	*Office
	mail    *receiver.Mail
	log     *receiver.Log
	station *receiver.Station
	clock   *handClock
	journal *journal
	opts    Options
	config  string
}

// must stands for an error that ends the test.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, clock: &handClock{now: start}, journal: newJournal()}
	o.mail, o.log = must[*receiver.Mail](t)(receiver.NewMail()), must[*receiver.Log](t)(receiver.NewLog())
	o.station = must[*receiver.Station](t)(receiver.NewStation([]string{"mib", "mib/testdata/base"}, hex.EncodeToString(snmp.EngineID("spoolgate-2")), "SHA-256", "AES"))
	t.Cleanup(func() { o.mail.Close(); o.log.Close(); o.station.Close() })
	if err := o.log.Start(); err != nil {
		t.Fatal(err)
	}
	if err := o.station.Start(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "box.key")
	key := must[secret.Key](t)(secret.MakeKey(keyFile))
	sealed := func(password string) string { return string(key.Seal(password)) }
	o.config = fmt.Sprintf(`hostname = "spoolgate-2"
[[group]]
virtual_address = "192.0.2.10"
node = [{ address = "192.0.2.11" }, { address = "192.0.2.12" }]
[report.syslog]
server = "%s"
port = %d
transport = "tcp"
[report.snmp]
server = "%s"
port = %d
inform = true
community = "%s"
[report.mail]
server = "%s"
port = %d
user = "%s"
password = "%s"
from = "spoolgate@example.com"
to = ["admins@example.com"]
ca = '''
%s'''
[report.metrics]
`, o.log.Address, receiver.SyslogPort, o.station.Address, receiver.TrapPort, sealed(receiver.Community), o.mail.Address, receiver.SubmissionPort,
		receiver.MailUser, sealed(receiver.MailPassword), o.mail.PEM)
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(o.config), 0o600); err != nil {
		t.Fatal(err)
	}
	client := wire.NewClient(o.journal.serve(t))
	o.opts = Options{
		Configuration: config.File{Path: file, Limits: config.Required()},
		KeyFile:       keyFile, Store: NewStore(dir), Journal: client.FollowReports, Snapshot: client.Snapshot, Clock: o.clock.clock(), Log: slog.New(slog.DiscardHandler),
	}
	o.open()
	t.Cleanup(func() { o.Close() })
	return o
}

func (o *office) open() {
	o.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o.Cleanup(cancel)
	o.Office = Open(ctx, o.opts)
}

// await waits until ok is satisfied with a reporter.
func (o *office) await(name string, ok func(api.Reporter) bool) api.Reporter {
	o.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		for _, r := range o.Reporters() {
			if r.Name == name && ok(r) {
				return r
			}
		}
		if time.Now().After(end) {
			o.Fatalf("%s did not come so far: %+v", name, o.Reporters())
		}
	}
}

// G29. Two hours are twelve times ten minutes on the clock of the reporters; the
// servers are real.
func TestMailServerDownForTwoHoursDelaysNothingElseAndLosesNothing(t *testing.T) {
	o := newOffice(t)
	for n := uint64(1); n <= 12; n++ {
		r := ofIncident(n, n, api.Begin, "alert")
		r.Incident.Title = fmt.Sprintf("Trouble %02d", n)
		o.journal.add(r)
		if _, err := o.log.Await(int(n)); err != nil {
			t.Fatalf("syslog is delayed: %v", err)
		}
		if _, err := o.station.Await(fmt.Sprintf("spoolgateEventNumber.0 = Gauge32: %d", n)); err != nil {
			t.Fatalf("SNMP is delayed: %v", err)
		}
		s := o.await("mail", func(r api.Reporter) bool { return r.Waiting == int(n) && r.Tries > 0 })
		if s.Trouble.Stage != api.StageConnect || !strings.Contains(s.Trouble.What, "nobody listens") {
			t.Fatalf("mail is told to be in trouble by %+v", s.Trouble)
		}
		if n == 6 { // the box restarts in the middle of it
			o.Close()
			o.open()
			o.await("mail", func(r api.Reporter) bool { return r.Waiting == 6 && r.Tries > 0 })
		}
		tries := s.Tries
		o.clock.advance(10 * time.Minute)
		o.await("mail", func(r api.Reporter) bool { return r.Tries > 0 && r.Tries != tries || n == 6 })
	}
	if len(o.mail.Mails()) > 0 {
		t.Fatal("a server that is down has mail")
	}
	if err := o.mail.Start(); err != nil {
		t.Fatal(err)
	}
	o.clock.advance(10 * time.Minute)
	mails, err := o.mail.Await(12)
	if err != nil {
		t.Fatal(err)
	}
	o.await("mail", func(r api.Reporter) bool { return r.Waiting == 0 && r.Trouble == nil && r.Delivered == 12 })
	for i := range 12 {
		subject := fmt.Sprintf("Subject: spoolgate-2: Alert: Trouble %02d\n", i+1)
		if n := strings.Count(strings.Join(mails, ""), subject); n != 1 {
			t.Errorf("%q came %d times", subject, n)
		}
	}
	// And nothing comes again after one more restart.
	o.Close()
	o.open()
	o.journal.add(ofIncident(13, 13, api.Begin, "alert"))
	if _, err := o.log.Await(13); err != nil {
		t.Error(err)
	}
	if mails, err := o.mail.Await(13); err != nil || len(mails) != 13 {
		t.Errorf("%d mails: %v", len(mails), err)
	}
	if n := len(o.log.Lines()); n != 13 {
		t.Errorf("syslog has %d lines of 13 reports", n)
	}
}
