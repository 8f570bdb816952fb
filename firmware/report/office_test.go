package report

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/config"
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/report/snmp"
)

// stages of a test, and where it stopped.
func path(r api.ReportTest) string {
	var words []string
	for _, s := range r.Steps {
		words = append(words, string(s.Stage))
	}
	if r.Stopped != nil {
		words = append(words, "!"+string(r.Stopped.Stage))
	}
	return strings.Join(words, " ")
}

func TestTestOfEachReporterSaysHowFarItCame(t *testing.T) {
	o := newOffice(t)
	for round, want := range []map[string]string{
		{"mail": "!connect", "syslog": "connect message", "snmp": "message"},
		{"mail": "connect TLS login recipient message", "syslog": "connect message", "snmp": "message"},
	} {
		for name, want := range want {
			got, err := o.Test(t.Context(), name)
			if err != nil || path(got) != want || got.Reporter != name {
				t.Errorf("round %d, %s: %s (%v), want %s", round, name, path(got), err, want)
			}
			for _, r := range o.Reporters() {
				if r.Name == name && (r.TestedAt.IsZero() || (r.TestStopped == nil) != (got.Stopped == nil)) {
					t.Errorf("round %d, %s: it is told to have ended at %v: %v", round, name, r.TestedAt, r.TestStopped)
				}
			}
		}
		if round == 0 {
			if err := o.mail.Start(); err != nil {
				t.Fatal(err)
			}
		}
	}
	mails, err := o.mail.Await(1)
	if err != nil || !strings.Contains(mails[0], "This is a test of the reports of spoolgate-2") {
		t.Errorf("%v %v", mails, err)
	}
	if _, err := o.station.Await("spoolgateTestNotification"); err != nil {
		t.Error(err)
	}
	var refused *api.Error
	if _, err := o.Test(t.Context(), "fax"); !errors.As(err, &refused) || refused.Status != 404 || !strings.Contains(refused.Error(), "syslog, snmp, mail") {
		t.Errorf("a reporter that there is not: %v", err)
	}
	for _, r := range o.Reporters() {
		if r.Waiting != 0 || r.Delivered != 0 || r.Trouble != nil {
			t.Errorf("a test changed where %s stands: %+v", r.Name, r)
		}
	}
}

func TestPasswordsWithoutTheKeyAreToldAndStopNoOther(t *testing.T) {
	o := newOffice(t)
	o.Close()
	for what, words := range map[string]string{"missing": "no such file", "another": "another box"} {
		if what == "missing" {
			o.opts.KeyFile = filepath.Join(t.TempDir(), "none")
		} else {
			o.opts.KeyFile = newOffice(t).opts.KeyFile
		}
		o.open()
		got := must[api.ReportTest](t)(o.Test(t.Context(), "mail"))
		if path(got) != "!password" || !strings.Contains(got.Stopped.What, words) || !strings.Contains(got.Stopped.Do, "ype") {
			t.Errorf("key %s: %+v", what, got.Stopped)
		}
		if got := must[api.ReportTest](t)(o.Test(t.Context(), "syslog")); got.Stopped != nil {
			t.Errorf("key %s: syslog needs no password: %v", what, got.Stopped)
		}
		o.Close()
	}
}

func TestReloadFollowsTheConfigurationAndAWrongOneChangesNothing(t *testing.T) {
	o := newOffice(t)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(filepath.Dir(o.opts.KeyFile), "config.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.journal.add(ofIncident(1, 1, api.Begin, "alert"))
	o.await("mail", func(r api.Reporter) bool { return r.Waiting == 1 })
	write(o.config + "affinity = 3\n")
	var problems config.Problems
	if err := o.Reload(t.Context()); !errors.As(err, &problems) || len(o.Reporters()) != 3 {
		t.Errorf("%v; %+v", err, o.Reporters())
	}
	off, _, _ := strings.Cut(o.config, "[report.mail]")
	write(off)
	if err := o.Reload(t.Context()); err != nil || len(o.Reporters()) != 2 {
		t.Errorf("%v; %+v", err, o.Reporters())
	}
	// Mail that is on again begins then: its clock has not gone on, so the report
	// of the first minute after start is news, and that of before is none.
	o.clock.advance(time.Hour)
	write(o.config)
	if err := o.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.journal.add(ofIncident(70, 2, api.Begin, "alert"))
	o.await("mail", func(r api.Reporter) bool { return r.Waiting == 1 && r.Missed == 0 })
}

func TestDaemonAnswersOverItsSocket(t *testing.T) {
	o := newOffice(t)
	socket := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go daemon.Serve(t.Context(), l, o.Handler(func() error { return o.Reload(t.Context()) }))
	c := wire.NewClient(socket)
	list, err := c.Reporters(t.Context())
	if err != nil || len(list) != 3 || list[0].Name != "syslog" || !strings.Contains(list[2].Target, "admins@example.com by "+o.mail.Address.String()) || list[2].Least != "warning" {
		t.Errorf("%+v %v", list, err)
	}
	if got, err := c.TestReporter(t.Context(), "syslog"); err != nil || path(got) != "connect message" {
		t.Errorf("%+v %v", got, err)
	}
	if done, err := c.Reload(t.Context()); err != nil || done.Text != "syslog: OK; snmp: OK; mail: OK" {
		t.Errorf("%+v %v", done, err)
	}
	w := httptest.NewRecorder()
	o.Handler(nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if text, _ := io.ReadAll(w.Body); w.Code != http.StatusOK || !strings.Contains(string(text), `spoolgate_box_state{state="OK"} 1`) || !strings.Contains(string(text), `reporter="snmp"`) {
		t.Errorf("%d %s", w.Code, text)
	}
}

func TestNobodyIsToldUntilItIsConfigured(t *testing.T) {
	o := Open(t.Context(), Options{
		Configuration: config.File{Path: filepath.Join(t.TempDir(), "none"), Limits: config.Required()},
		Store:         NewStore(t.TempDir()), Clock: realClock(), Log: slog.New(slog.DiscardHandler),
	})
	defer o.Close()
	if s := o.Status(); !strings.Contains(s, "[report]") || len(o.Reporters()) != 0 {
		t.Error(s)
	}
	w := httptest.NewRecorder()
	o.Handler(nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "[report.metrics]") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestReporterOverUDPSaysThatNobodyConfirmsItsMessages(t *testing.T) {
	for text, want := range map[string]bool{
		"[report.syslog]\nserver = \"192.0.2.9\"":                                                   true,
		"[report.syslog]\nserver = \"192.0.2.9\"\ntransport = \"tcp\"":                              false,
		"[report.syslog]\nserver = \"192.0.2.9\"\ntransport = \"tls\"":                              false,
		"[report.snmp]\nserver = \"192.0.2.9\"\ncommunity = \"site\"":                               true,
		"[report.snmp]\nserver = \"192.0.2.9\"\ncommunity = \"site\"\ninform = true":                false,
		"[report.mail]\nserver = \"192.0.2.9\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]": false,
		"[report.webhook]\nurl = \"https://192.0.2.9/\"":                                            false,
	} {
		c := must[config.Config](t)(config.Parse([]byte("group = [{ virtual_address = \"192.0.2.10\", node = [{ address = \"192.0.2.11\" }] }]\n"+text), config.Required()))
		m := members(c, "none", snmp.Engine{}, time.Now)[0]
		if got := newCourier(m.name, "box", m.sender, m.wish, NewStore(t.TempDir()), realClock(), slog.New(slog.DiscardHandler)).describe().Unconfirmed; got != want {
			t.Errorf("%s: nobody confirms: %v", text, got)
		}
	}
}

func TestEngineIDOfTheBoxIsItsHostNameUnlessConfigured(t *testing.T) {
	for configured, want := range map[string]string{"": "0x80001f8804" + "626f78", `engine_id = "8000000001"`: "0x8000000001"} {
		c := must[config.Config](t)(config.Parse([]byte(`hostname = "box"
group = [{ virtual_address = "192.0.2.10", node = [{ address = "192.0.2.11" }] }]
[report.snmp]
server = "192.0.2.162"
version = "3"
user = "u"
auth_password = "12345678"
privacy_password = "12345678"
`+configured), config.Required()))
		if got := members(c, "none", snmp.Engine{}, time.Now)[0].sender.Target(); !strings.HasSuffix(got, "engine ID "+want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
