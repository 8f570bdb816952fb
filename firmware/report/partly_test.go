package report

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/report/reach"
)

// logged is the log of a reporter that runs.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) lines(with string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, with) {
			n++
		}
	}
	return n
}

// The server is real; of two recipients it does not know one.
func TestRecipientThatIsRefusedIsToldAndHoldsUpNobody(t *testing.T) {
	o := newOffice(t)
	if err := o.mail.Start(); err != nil {
		t.Fatal(err)
	}
	o.Close()
	write := func(to string) {
		if err := os.WriteFile(o.opts.Configuration.Path, []byte(strings.Replace(o.config, `["admins@example.com"]`, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`["nobody@example.com", "admins@example.com"]`)
	log := &logged{}
	o.opts.Log = slog.New(slog.NewTextHandler(log, nil))
	o.open()
	leftOut := func(r api.Reporter) {
		t.Helper()
		if f := r.LeftOut; f == nil || f.Stage != api.StageRecipient || f.What != `nobody@example.com was refused: "550 unknown user"` || r.Trouble != nil || r.Waiting != 0 {
			t.Errorf("%+v, left out: %+v", r, f)
		}
	}
	for n := uint64(1); n <= 2; n++ {
		o.journal.add(ofIncident(n, n, api.Begin, "alert"))
		leftOut(o.await("mail", func(r api.Reporter) bool { return r.Delivered == n }))
		if status := o.Status(); !strings.Contains(status, "mail: not to everybody: nobody@example.com was refused") {
			t.Errorf("status %q", status)
		}
	}
	if n := log.lines("nobody@example.com was refused"); n != 1 {
		t.Errorf("the log says %d times who is left out", n)
	}
	o.Close()
	o.open() // what was found out outlasts a restart
	leftOut(o.await("mail", func(r api.Reporter) bool { return r.Delivered == 2 }))
	if got := must[api.ReportTest](t)(o.Test(t.Context(), "mail")); path(got) != "connect TLS login recipient message !recipient" {
		t.Errorf("a test: %s", path(got))
	}
	leftOut(o.await("mail", func(r api.Reporter) bool { return r.TestStopped != nil }))
	if mails := must[[]string](t)(o.mail.Await(3)); len(mails) != 3 {
		t.Errorf("%d mails of 2 reports and a test", len(mails))
	}
	write(`["admins@example.com"]`)
	if err := o.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := o.await("mail", func(r api.Reporter) bool { return true }); r.LeftOut != nil {
		t.Errorf("after it was corrected: %+v", r.LeftOut)
	}
}

// The server may take the recipient later: a message or a test that all get ends it.
func TestRecipientThatIsTakenLaterIsNotLeftOutAnyMore(t *testing.T) {
	for _, way := range []string{"a report", "a test"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, mail, log := newJournal(), &listener{}, &logged{}
				mail.set(func() error {
					return &reach.Partly{LeftOut: &api.Failure{Stage: api.StageRecipient, What: "b was refused", Do: "Correct to"}}
				})
				c, stop := begin(t, "mail", mail, j, NewStore(t.TempDir()))
				defer stop()
				c.log = slog.New(slog.NewTextHandler(log, nil))
				o := &Office{opts: Options{Clock: realClock(), Log: c.log}, couriers: []*courier{c}, tested: map[string]tested{}}
				j.add(happened(1, "alert"))
				synctest.Wait()
				if _, tries := mail.all(); tries != 1 || o.Reporters()[0].LeftOut == nil {
					t.Errorf("%d tries, %+v", tries, o.Reporters())
				}
				mail.set(nil)
				time.Sleep(time.Second)
				if way == "a report" {
					j.add(happened(2, "alert"))
					synctest.Wait()
				} else if _, err := o.Test(t.Context(), "mail"); err != nil {
					t.Fatal(err)
				}
				if r := o.Reporters()[0]; r.LeftOut != nil {
					t.Errorf("%+v", r.LeftOut)
				}
				if n := log.lines("every recipient"); way == "a report" && n != 1 {
					t.Errorf("the log says %d times that it is over", n)
				}
			})
		})
	}
}
