package report

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/letter"
	"spoolgate/firmware/report/metrics"
	"spoolgate/firmware/report/snmp"
	"spoolgate/firmware/secret"
)

// Office has all reporters of the box.
type Office struct {
	opts     Options
	engine   snmp.Engine
	mu       sync.Mutex
	box      string
	couriers []*courier
	tested   map[string]tested // how the last test ended, by reporter
	metrics  http.Handler      // nil: off
	stop     func()            // the reporters that run; returns when they have ended
}

// tested is how a test ended: stopped is nil when it went all the way, and leftOut when
// it got to nobody or to all.
type tested struct {
	at      time.Time
	stopped *api.Failure
	leftOut *api.Failure
}

// tells reports whether the test knows more of who is left out than what was sent.
func (t tested) tells(sent time.Time) bool {
	return !t.at.IsZero() && !t.at.Before(sent) && (t.stopped == nil || t.leftOut != nil)
}

// Options are what an office works with.
type Options struct {
	Configuration config.File
	KeyFile       string // of the key that passwords are sealed with
	Store         Store
	Journal       Journal
	Snapshot      func(context.Context) (api.Snapshot, error)
	Clock         Clock
	Log           *slog.Logger
}

// Open starts the reporters of the configuration, or of the last good one. They run
// until ctx ends or Close is called.
func Open(ctx context.Context, opts Options) *Office {
	boots, err := opts.Store.Boots()
	if err != nil {
		opts.Log.Error("a station that hears version 3 may take what comes for a replay", "err", err)
	}
	o := &Office{opts: opts, stop: func() {}, engine: snmp.Engine{Boots: boots, Started: opts.Clock.Now(), Now: opts.Clock.Now}}
	c, wrong := opts.Configuration.Start()
	if wrong != nil {
		opts.Log.Error("the configuration is not used: the last good one goes on, or nobody is told if there is none", "err", wrong)
	} else {
		o.keep()
	}
	o.follow(ctx, c)
	return o
}

// Reload follows the configuration as it is now. A wrong one changes nothing.
func (o *Office) Reload(ctx context.Context) error {
	c, err := o.opts.Configuration.Load()
	if err != nil {
		return err
	}
	o.keep()
	o.follow(ctx, c)
	return nil
}

func (o *Office) keep() {
	if err := o.opts.Configuration.Keep(); err != nil {
		o.opts.Log.Warn("a wrong configuration at the next start would find no earlier one", "err", err)
	}
}

// follow ends the reporters that run and starts those of a configuration.
func (o *Office) follow(ctx context.Context, c config.Config) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stop()
	o.box, o.couriers, o.tested, o.metrics = c.Hostname, nil, map[string]tested{}, nil
	var names []string
	for _, m := range members(c, o.opts.KeyFile, o.engine, o.opts.Clock.Now) {
		names = append(names, m.name)
		o.couriers = append(o.couriers, newCourier(m.name, c.Hostname, m.sender, m.wish, o.opts.Store, o.opts.Clock, o.opts.Log))
	}
	if err := o.opts.Store.Retain(names); err != nil {
		o.opts.Log.Error("reporters that were switched off", "err", err)
	}
	if m := c.Report.Metrics; m != nil {
		o.metrics = o.openMetrics(m.Token)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, c := range o.couriers {
		running.Go(func() { c.run(ctx, o.opts.Journal) })
	}
	o.stop = func() { cancel(); running.Wait() }
}

func (o *Office) openMetrics(token secret.Text) http.Handler {
	key, keyErr := secret.ReadKey(o.opts.KeyFile)
	s := &safe{key: key, keyErr: keyErr}
	opened := s.open(token, "the token of the metrics")
	if s.err != nil {
		o.opts.Log.Error("no metrics", "err", s.err)
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, s.err.Error(), http.StatusServiceUnavailable)
		})
	}
	return metrics.Handler(metrics.Source{Snapshot: o.opts.Snapshot, Reporters: o.Reporters}, opened)
}

// Close ends the reporters; messages under way have some seconds.
func (o *Office) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stop()
}

// Reporters is how far each has come.
func (o *Office) Reporters() []api.Reporter {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := []api.Reporter{}
	for _, c := range o.couriers {
		s, _ := c.state.Latest()
		test := o.tested[c.name]
		s.TestedAt, s.TestStopped = test.at, test.stopped
		if test.tells(s.DeliveredAt) {
			s.LeftOut = test.leftOut
		}
		out = append(out, s)
	}
	return out
}

// Status is the same in one sentence.
func (o *Office) Status() string {
	all := o.Reporters()
	if len(all) == 0 {
		return "nobody is told of what happens: there is no reporter in [report]"
	}
	var words []string
	for _, r := range all {
		switch {
		case r.Trouble != nil:
			words = append(words, fmt.Sprintf("%s: %d waiting: %s", r.Name, r.Waiting, r.Trouble.What))
		case r.LeftOut != nil:
			words = append(words, fmt.Sprintf("%s: not to everybody: %s", r.Name, r.LeftOut.What))
		default:
			words = append(words, r.Name+": OK")
		}
	}
	return strings.Join(words, "; ")
}

// Test sends a test message by one reporter, past all that waits.
func (o *Office) Test(ctx context.Context, name string) (api.ReportTest, error) {
	o.mu.Lock()
	var found *courier
	var names []string
	for _, c := range o.couriers {
		if names = append(names, c.name); strings.EqualFold(c.name, name) {
			found = c
		}
	}
	box := o.box
	o.mu.Unlock()
	if found == nil {
		e := &api.Error{Status: http.StatusNotFound, What: fmt.Sprintf("there is no reporter %q", name), Do: "Configure it in [report." + name + "]"}
		if len(names) > 0 {
			e.Do += "; those that are configured are " + strings.Join(names, ", ")
		}
		return api.ReportTest{}, e
	}
	now := o.opts.Clock.Now()
	m := letter.Message{Box: box, Test: true, Report: api.Report{Event: api.Event{Time: now, Kind: kindTest, Severity: "notice",
		Text: fmt.Sprintf("This is a test of the reports of %s, sent on %s. Nothing has happened; nothing is to do.", box, now.Format(time.RFC1123))}}}
	result := api.ReportTest{Reporter: found.name, Steps: []api.Step{}}
	note := func(stage api.Stage, text string) {
		result.Steps = append(result.Steps, api.Step{Stage: stage, Text: text})
	}
	err := deliver(ctx, found.sender, m, note, found.log)
	if err != nil {
		result.Stopped = failureOf(err)
	}
	leftOut, _ := partlyOf(err)
	o.noteTest(found, tested{o.opts.Clock.Now(), result.Stopped, leftOut})
	return result, nil
}

// noteTest keeps how the last test of a reporter ended, unless the configuration has
// put another one in its place meanwhile.
func (o *Office) noteTest(c *courier, t tested) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if slices.Contains(o.couriers, c) {
		o.tested[c.name] = t
	}
}

// Handler answers the requests of package wire's Client.
func (o *Office) Handler(reload func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/reporters", func(w http.ResponseWriter, _ *http.Request) { wire.Answer(w, o.Reporters(), nil) })
	mux.HandleFunc("POST /v1/reporters/{name}/test", func(w http.ResponseWriter, r *http.Request) {
		t, err := o.Test(r.Context(), r.PathValue("name"))
		wire.Answer(w, t, err)
	})
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, _ *http.Request) {
		if err := reload(); err != nil {
			wire.Answer(w, nil, &api.Error{Status: http.StatusUnprocessableEntity, What: err.Error()})
			return
		}
		wire.Answer(w, api.Done{Text: o.Status()}, nil)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		h := o.metrics
		o.mu.Unlock()
		if h == nil {
			http.Error(w, "The metrics of this box are off. Write [report.metrics] into its configuration.", http.StatusNotFound)
			return
		}
		h.ServeHTTP(w, r)
	})
	return mux
}
