package event

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

func numbers(reports []api.Report) (out []uint64) {
	for _, r := range reports {
		out = append(out, r.Event.Seq)
	}
	return out
}

func report(kind, severity string) api.Report {
	return api.Report{Event: Event{Kind: kind, Severity: severity, Text: "x"}}
}

func TestLogKeepsTheLastEvents(t *testing.T) {
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	l := NewLog(3, func() time.Time { return at })
	if got, _ := l.After(0); got != nil {
		t.Errorf("an empty log has %v", got)
	}
	for range 5 {
		l.Add(report(NodeHealth, Info))
	}
	tests := []struct {
		after uint64
		want  []uint64
	}{{0, []uint64{3, 4, 5}}, {3, []uint64{4, 5}}, {5, nil}, {9, nil}}
	for _, tt := range tests {
		got, _ := l.After(tt.after)
		if !slices.Equal(numbers(got), tt.want) {
			t.Errorf("after %d: %v, want %v", tt.after, numbers(got), tt.want)
		}
		for _, r := range got {
			if !r.Event.Time.Equal(at) {
				t.Errorf("stamped %v", r.Event.Time)
			}
		}
	}
}

func TestFollowerMissesNothing(t *testing.T) {
	l := NewLog(1000, time.Now)
	l.Add(api.Report{})
	go func() {
		for range 99 {
			l.Add(api.Report{})
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	want := uint64(0)
	for r := range l.Follow(ctx, 0) {
		if want++; r.Event.Seq != want {
			t.Fatalf("event %d came, want %d", r.Event.Seq, want)
		}
		if want == 100 {
			cancel()
		}
	}
	if want != 100 {
		t.Errorf("the last event was %d", want)
	}
}

// kept opens the log of a folder, has do use it, and closes it in order.
func kept(t *testing.T, dir string, do func(*Log)) {
	t.Helper()
	l, _, err := OpenLog(dir, 1000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Keep(ctx, func(err error) { t.Error(err) })
	}()
	do(l)
	cancel()
	<-done
}

func TestOrderlyRestartLosesNoEventAndNoNumber(t *testing.T) {
	dir := t.TempDir()
	for run := range 3 {
		kept(t, dir, func(l *Log) {
			if got := len(l.Kept()); got != run*10 {
				t.Errorf("run %d finds %d events", run, got)
			}
			for range 10 {
				l.Add(report(NodeService, Info))
			}
		})
	}
	kept(t, dir, func(l *Log) {
		got := numbers(l.Kept())
		for i, n := range got {
			if n != uint64(i+1) {
				t.Fatalf("numbers %v", got)
			}
		}
	})
}

// What is trouble is on the medium as soon as it was told, whatever happens then.
func TestTroubleIsOnTheMediumAtOnce(t *testing.T) {
	dir := t.TempDir()
	l, _, err := OpenLog(dir, 1000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	go l.Keep(t.Context(), func(err error) { t.Error(err) })
	l.Add(report(NodeService, Info))
	awaitMedium(t, dir, l.Add(report(NodeHealth, Warning)))
}

// Who settles the log finds on the medium what was told before, whatever it is, and does
// not wait for a pause of Keep.
func TestWhatIsSettledIsOnTheMedium(t *testing.T) {
	dir := t.TempDir()
	l, _, err := OpenLog(dir, 1000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	go l.Keep(t.Context(), func(err error) { t.Error(err) })
	began := time.Now()
	for n := range 2 * stormAfter {
		r := l.Add(report(Acknowledged, Notice))
		l.Settle(t.Context())
		_, h, err := OpenJournal(dir, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(h.Reports) != n+1 || h.Reports[n].Event.Seq != r.Event.Seq {
			t.Fatalf("the answer would come before event %d is kept", r.Event.Seq)
		}
	}
	if took := time.Since(began); took > settling*stormAfter {
		t.Errorf("it took %v", took)
	}
	l.Settle(t.Context()) // nothing is pending
}

func TestMediumThatFailsHoldsUpNobodyWhoSettles(t *testing.T) {
	l, _, err := OpenLog(t.TempDir(), 1000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.journal.file.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go l.Keep(ctx, func(error) {})
	l.Add(report(Acknowledged, Notice))
	l.Settle(t.Context())
	NewLog(10, time.Now).Settle(t.Context())
}

// So is what belongs to it, and who moved, which a kill would lose otherwise.
func TestMovesAreOnTheMediumAtOnceAndInMemoryOnlyCounted(t *testing.T) {
	dir := t.TempDir()
	l, _, err := OpenLog(dir, 1000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	go l.Keep(t.Context(), func(err error) { t.Error(err) })
	of := report(NodeCut, Notice)
	of.Incident, of.Phase = &api.Incident{ID: 7}, api.Update
	awaitMedium(t, dir, l.Add(of))
	moved := report(ClientMoved, Notice)
	moved.Event.Moves = &api.Moves{MFDs: []netip.Addr{netip.MustParseAddr("198.18.1.20")}, From: "A", Cause: "operator"}
	on := awaitMedium(t, dir, l.Add(moved))
	if m := on.Event.Moves; m == nil || !slices.Equal(m.MFDs, moved.Event.Moves.MFDs) || m.From != "A" || m.Cause != "operator" {
		t.Errorf("on the medium are %+v", m)
	}
	again, h, err := OpenLog(dir, 1000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if last := h.Reports[len(h.Reports)-1]; last.Event.Moves == nil {
		t.Error("who opens the log is not told who moved")
	}
	for _, r := range append(l.Kept(), again.Kept()...) {
		if r.Event.Moves != nil {
			t.Errorf("in memory are %+v", r.Event)
		}
	}
}

// awaitMedium waits until a report is on the medium, as after a power cut then.
func awaitMedium(t *testing.T, dir string, told api.Report) api.Report {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; <-time.After(10 * time.Millisecond) {
		medium := filepath.Join(t.TempDir(), "medium") // as after a power cut now
		if err := os.CopyFS(medium, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		_, h, err := OpenJournal(medium, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if at := slices.Index(numbers(h.Reports), told.Event.Seq); at >= 0 {
			if h.next <= told.Event.Seq {
				t.Errorf("the next one would be %d again", h.next)
			}
			return h.Reports[at]
		}
		if time.Now().After(end) {
			t.Fatalf("on the medium are %v", numbers(h.Reports))
		}
	}
}
