package report

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spoolgate/firmware/api"
)

var (
	start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	later = start.AddDate(0, 1, 0)
)

// happened is report number seq, seq minutes after start.
func happened(seq uint64, severity string) api.Report {
	return api.Report{Event: api.Event{Seq: seq, Time: start.Add(time.Duration(seq) * time.Minute), Kind: "node.health", Severity: severity, Text: fmt.Sprintf("event %d", seq)}}
}

func ofIncident(seq, id uint64, phase api.Phase, severity string) api.Report {
	r := happened(seq, severity)
	r.Phase = phase
	r.Incident = &api.Incident{ID: id, Severity: severity, Title: "node B is Down", Began: start}
	return r
}

func graver(r api.Report) api.Report {
	r.Raised = true
	return r
}

// drain delivers all that waits and returns its numbers; 0 stands for a notice that
// reports were missed.
func drain(q *Queue) (numbers []uint64) {
	for {
		r, _ := q.Next()
		if r == nil {
			return numbers
		}
		n := r.Event.Seq
		if r.Event.Kind == kindMissed {
			n = 0
		}
		numbers = append(numbers, n)
		q.Delivered("", nil, start)
	}
}

func TestPauseDoublesUpToTenMinutes(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 3: 20 * time.Second, 7: 320 * time.Second, 8: 10 * time.Minute, 9: 10 * time.Minute, 100000: 10 * time.Minute} {
		if got := delay(failures); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
}

func TestReceiverHearsFromItsSeverityOn(t *testing.T) {
	everything, few := wish{"notice", true}, wish{"warning", false}
	knows := func(uint64) bool { return true }
	knowsNot := func(uint64) bool { return false }
	for name, c := range map[string]struct {
		wish wish
		told func(uint64) bool
		r    api.Report
		want bool
	}{
		"info to a log":                           {everything, knows, happened(1, "info"), false},
		"notice to a log":                         {everything, knows, happened(1, "notice"), true},
		"a severity of a later release":           {few, knows, happened(1, "doom"), true},
		"update to a log":                         {everything, knows, ofIncident(1, 1, api.Update, "alert"), true},
		"begin to a person":                       {few, knowsNot, ofIncident(1, 1, api.Begin, "warning"), true},
		"begin of a trifle":                       {few, knowsNot, ofIncident(1, 1, api.Begin, "notice"), false},
		"update that makes it graver":             {few, knows, graver(ofIncident(1, 1, api.Update, "alert")), true},
		"update to a person":                      {few, knows, ofIncident(1, 1, api.Update, "alert"), false},
		"update that makes a trifle an alert":     {few, knowsNot, ofIncident(1, 1, api.Update, "alert"), true},
		"digest to a person":                      {few, knows, ofIncident(1, 1, api.Digest, "warning"), true},
		"clear to a person":                       {few, knows, ofIncident(1, 1, api.Clear, "warning"), true},
		"clear of what the person never heard of": {few, knowsNot, ofIncident(1, 1, api.Clear, "warning"), false},
		"clear, an info, of an alert": {few, knows, func() api.Report {
			r := ofIncident(1, 1, api.Clear, "alert")
			r.Event.Severity = "info"
			return r
		}(), true},
	} {
		if got := c.wish.wants(c.r, c.told); got != c.want {
			t.Errorf("%s: wanted %v", name, got)
		}
	}
}

func TestQueueOffersEachReportOnce(t *testing.T) {
	for name, c := range map[string]struct {
		cursor Cursor
		offer  []api.Report
		want   []uint64 // delivered
		after  Cursor
	}{
		"a new reporter is not told what is long over": {Cursor{Fresh: true, Newest: happened(2, "").Event.Time},
			[]api.Report{happened(1, "alert"), happened(2, "alert"), happened(3, "alert")}, []uint64{3}, Cursor{Seq: 3}},
		"a new reporter misses nothing by a gap before its time": {Cursor{Fresh: true, Newest: start},
			[]api.Report{happened(70, "alert")}, []uint64{70}, Cursor{Seq: 70}},
		"what is done with is passed over": {Cursor{Seq: 2, Newest: happened(2, "").Event.Time},
			[]api.Report{happened(1, "alert"), happened(2, "alert"), happened(3, "alert"), happened(1, "alert"), happened(2, "alert"), happened(3, "alert"), happened(4, "alert")}, []uint64{3, 4}, Cursor{Seq: 4}},
		"what is not wanted is passed over and done with": {Cursor{Seq: 2, Newest: happened(2, "").Event.Time},
			[]api.Report{happened(3, "info"), happened(4, "alert"), happened(5, "info")}, []uint64{4}, Cursor{Seq: 5}},
		"a gap is told": {Cursor{Seq: 2, Newest: happened(2, "").Event.Time},
			[]api.Report{happened(6, "alert")}, []uint64{0, 6}, Cursor{Seq: 6, Missed: 3}},
		"numbers that were never given are no gap": {Cursor{Seq: 2, Newest: happened(2, "").Event.Time},
			[]api.Report{happened(2, "alert"), happened(6, "alert"), happened(9, "alert")}, []uint64{6, 9}, Cursor{Seq: 9}},
		"numbers that begin anew are noticed": {Cursor{Seq: 900, Newest: happened(2, "").Event.Time},
			[]api.Report{happened(3, "alert"), happened(4, "alert")}, []uint64{3, 4}, Cursor{Seq: 4}},
	} {
		q := newQueue(wish{"warning", true}, c.cursor)
		q.Begin()
		for _, r := range c.offer {
			q.Offer(r, later)
		}
		if got := drain(q); !slices.Equal(got, c.want) {
			t.Errorf("%s: delivered %v, want %v", name, got, c.want)
		}
		got := q.Cursor()
		got.Newest, got.SentAt = time.Time{}, time.Time{}
		if !reflect.DeepEqual(got, c.after) {
			t.Errorf("%s: cursor %+v, want %+v", name, got, c.after)
		}
	}
}

func TestNoticeOfMissedReportsCountsAsPeopleDo(t *testing.T) {
	for n, want := range map[uint64]string{1: "the report before this one was no longer kept", 2: "up to 2 reports before this one were no longer kept"} {
		if got := missed(n, happened(9, "alert")).Event.Text; !strings.HasPrefix(got, want) {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestClockThatWasAheadMakesNoReporterDeaf(t *testing.T) {
	q := newQueue(wish{"warning", true}, Cursor{Fresh: true, Newest: start.AddDate(1, 0, 0)})
	q.Begin()
	q.Offer(happened(1, "alert"), happened(30, "").Event.Time) // long over
	q.Offer(happened(30, "alert"), happened(30, "").Event.Time)
	q.Offer(happened(31, "alert"), happened(50, "").Event.Time)
	if got := drain(q); !slices.Equal(got, []uint64{30, 31}) {
		t.Errorf("delivered %v", got)
	}
}

func TestEndOfAnIncidentIsToldToWhomItsBeginWas(t *testing.T) {
	q := newQueue(wish{"warning", false}, Cursor{Newest: start})
	for _, r := range []api.Report{
		ofIncident(1, 7, api.Begin, "notice"), ofIncident(2, 7, api.Update, "notice"), ofIncident(3, 7, api.Update, "alert"),
		ofIncident(4, 7, api.Update, "alert"), ofIncident(5, 7, api.Clear, "alert"), ofIncident(6, 8, api.Begin, "notice"), ofIncident(7, 8, api.Clear, "notice"),
	} {
		q.Offer(r, later)
	}
	if got := drain(q); !slices.Equal(got, []uint64{3, 5}) {
		t.Errorf("told of %v, want when it became an alert and when it ended", got)
	}
	if c := q.Cursor(); len(c.Told) != 0 || c.Seq != 7 {
		t.Errorf("afterwards %+v", c)
	}
}

func TestQueueWaitsLongerWithEachFailureAndLeavesOutOnlyWhatIsRefusedForGood(t *testing.T) {
	q := newQueue(wish{"warning", true}, Cursor{Newest: start})
	q.Offer(happened(1, "alert"), later)
	q.Offer(happened(2, "alert"), later)
	now := start
	for range 200 {
		q.Failed(&api.Failure{Stage: api.StageConnect}, now)
		_, now = q.Next()
	}
	if s := q.State(); s.Waiting != 2 || s.Refused != 0 || s.Tries != 200 || !s.Since.Equal(start) || s.Trouble.Stage != api.StageConnect {
		t.Errorf("a server that is down: %+v", s)
	}
	q.Delivered("", nil, now)
	for range lastingTries {
		q.Failed(&api.Failure{Stage: api.StageMessage, Lasting: true}, now)
	}
	if s := q.State(); s.Waiting != 0 || s.Refused != 1 || s.Delivered != 2 || s.Trouble == nil {
		t.Errorf("a message that is not wanted: %+v", s)
	}
}

// Whatever happens to balancer, journal and power, a wanted report is sent or told
// as missed, in order, and twice only if a power cut forgot that it was.
func TestNothingIsLostAndNothingComesTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var journal []api.Report
		kept, next := Cursor{Newest: start}, uint64(1)
		w := wish{"warning", true}
		q := newQueue(w, kept)
		sent := map[uint64]int{}
		cuts, last, trims, skips := 0, uint64(0), 0, uint64(0)
		offer := func() {
			q.Begin()
			for _, r := range journal {
				if !q.Full() {
					q.Offer(r, later)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"happens": func(t *rapid.T) {
				journal = append(journal, happened(next, rapid.SampledFrom([]string{"info", "warning", "alert"}).Draw(t, "severity")))
				next++
			},
			"trimmed": func(t *rapid.T) {
				by := rapid.IntRange(0, len(journal)).Draw(t, "by")
				journal, trims = journal[by:], trims+by
			},
			"balancer dies": func(*rapid.T) { next, skips = next+10, skips+10 },
			"read":          func(*rapid.T) { offer() },
			"fails":         func(*rapid.T) { tryOnce(q, func() { q.Failed(&api.Failure{}, start) }) },
			"sent": func(t *rapid.T) {
				tryOnce(q, func() {
					r, _ := q.Next()
					if r.Event.Kind != kindMissed {
						if sent[r.Event.Seq]++; r.Event.Seq <= last {
							t.Fatalf("%d after %d", r.Event.Seq, last)
						}
						last = r.Event.Seq
					}
					q.Delivered("", nil, start)
				})
			},
			"kept":      func(*rapid.T) { kept = q.Cursor() },
			"restart":   func(*rapid.T) { kept = q.Cursor(); q = newQueue(w, kept) },
			"power cut": func(*rapid.T) { q = newQueue(w, kept); cuts, last = cuts+1, kept.Seq },
		})
		offer()
		for _, n := range drain(q) {
			sent[n]++
		}
		lost := uint64(0) // or never given
		for n := uint64(1); n < next; n++ {
			if sent[n] > 1+cuts {
				t.Fatalf("%d came %d times, with %d power cuts", n, sent[n], cuts)
			}
			if sent[n] == 0 {
				lost++
			}
		}
		for _, r := range journal {
			if sent[r.Event.Seq] == 0 && w.wants(r, q.told) {
				t.Fatalf("%d is kept, and was not sent", r.Event.Seq)
			}
		}
		if c := q.Cursor(); cuts == 0 && c.Missed > lost || trims == 0 && c.Missed > skips {
			t.Fatalf("%d missed of %d not sent", c.Missed, lost)
		}
	})
}

func tryOnce(q *Queue, do func()) {
	if r, _ := q.Next(); r != nil {
		do()
	}
}
