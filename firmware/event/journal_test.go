package event

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// write appends events numbered from first to last.
func write(t testing.TB, j *Journal, first, last uint64) {
	t.Helper()
	var batch []api.Report
	for n := first; n <= last; n++ {
		batch = append(batch, api.Report{Event: Event{Seq: n, Kind: NodeHealth, Severity: Warning, Text: fmt.Sprintf("event %d", n)},
			Incident: &api.Incident{ID: n, Title: "x"}, Phase: api.Begin})
	}
	if _, err := j.Append(batch, noon); err != nil {
		t.Fatal(err)
	}
}

func reopen(t testing.TB, dir string) (*Journal, []uint64, uint64) {
	t.Helper()
	j, h, err := OpenJournal(dir, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range h.Reports {
		if r.Event.Text != fmt.Sprintf("event %d", r.Event.Seq) || r.Incident == nil || r.Incident.ID != r.Event.Seq || r.Phase != api.Begin {
			t.Fatalf("misread: %+v", r)
		}
	}
	return j, numbers(h.Reports), h.next
}

func TestJournalIsBounded(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir)
	for n := uint64(1); n <= 9000; n += 100 {
		write(t, j, n, n+99)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) > 1024/linesPerFile+1 {
		t.Errorf("%d files: %v", len(files), err)
	}
	_, kept, next := reopen(t, dir)
	if len(kept) < 1024 || len(kept) > 1024+linesPerFile || kept[len(kept)-1] != 9000 || next <= 9000 {
		t.Errorf("%d kept, %d to %d, next %d", len(kept), kept[0], kept[len(kept)-1], next)
	}
}

// A power cut may tear the last write at any byte. What was there before is there,
// nothing is misread, no number comes again, and what follows is kept.
func TestPowerCutTearsOnlyTheLastWrite(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir)
	write(t, j, 1, 3)
	path := filepath.Join(dir, name(1))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, j, 4, 5)
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := len(before); size < len(after); size++ {
		for _, tail := range [][]byte{nil, make([]byte, 100)} { // blocks that were not written are zeros
			if err := os.WriteFile(path, slices.Concat(after[:size], tail), 0o640); err != nil {
				t.Fatal(err)
			}
			j, kept, next := reopen(t, dir)
			if len(kept) < 3 || len(kept) > 4 || next <= 5 {
				t.Fatalf("cut at %d: kept %v, next %d", size, kept, next)
			}
			write(t, j, next, next)
			if _, again, _ := reopen(t, dir); !slices.Equal(again, append(kept, next)) {
				t.Fatalf("cut at %d: then %v, want %v and %d", size, again, kept, next)
			}
		}
	}
}

func TestDamagedJournalNeverGivesANumberAgain(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir)
	write(t, j, 1, 700)
	for _, first := range []uint64{1, 513} {
		if err := os.WriteFile(filepath.Join(dir, name(first)), bytes.Repeat([]byte("rubbish\n"), 50), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	j, kept, next := reopen(t, dir)
	if len(kept) != 0 || next <= 700 {
		t.Errorf("kept %v, next %d", kept, next)
	}
	write(t, j, next, next)
	if _, kept, _ := reopen(t, dir); !slices.Equal(kept, []uint64{next}) {
		t.Errorf("then kept %v", kept)
	}
}

func TestFolderThatCannotBeUsedIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, h, err := OpenLog(filepath.Join(file, "events"), 10, time.Now)
	if err == nil || l == nil || h.LastIncident != 0 {
		t.Fatalf("%v %+v %v", l, h, err)
	}
	if r := l.Add(report(NodeHealth, Warning)); r.Event.Seq != 1 || len(l.Kept()) != 1 {
		t.Errorf("%+v is not kept in memory", r)
	}
}

// What was written before an error came may be written again.
func TestReportsThatWereWrittenTwiceAreReadOnce(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir)
	write(t, j, 1, 4)
	write(t, j, 3, 6)
	if _, kept, _ := reopen(t, dir); !slices.Equal(kept, []uint64{1, 2, 3, 4, 5, 6}) {
		t.Errorf("kept %v", kept)
	}
}

// After an end in order the numbers go on. Those that the next run gave, and took with
// it when it was killed before it wrote anything, are not given again all the same.
func TestKillSoonAfterAStartGivesNoNumberAgain(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir)
	write(t, j, 1, 10)
	if err := j.Close(11); err != nil {
		t.Fatal(err)
	}
	if _, kept, next := reopen(t, dir); next != 11 || len(kept) != 10 {
		t.Errorf("after an end in order: next %d, kept %v", next, kept)
	}
	// The balancer gave number 11 and was killed.
	_, h, err := OpenJournal(dir, 1024)
	if err != nil || h.next <= 11 || h.LastIncident <= 10 {
		t.Errorf("after a kill: next %d, last incident %d, %v", h.next, h.LastIncident, err)
	}
	// And the next one gave that number, and was killed as well.
	_, again, err := OpenJournal(dir, 1024)
	if err != nil || again.next <= h.next || again.LastIncident <= h.LastIncident || len(again.Reports) != 10 {
		t.Errorf("after another kill: next %d, last incident %d, %d reports, %v", again.next, again.LastIncident, len(again.Reports), err)
	}
}

// A file that is full when its balancer is killed: what the next one tells first begins
// another, and is kept like any other.
func TestFirstReportAfterAKillIsKeptWhereItBeginsAFile(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir)
	write(t, j, 1, linesPerFile)
	j, _, next := reopen(t, dir)
	write(t, j, next, next)
	if err := j.Close(next + 1); err != nil {
		t.Fatal(err)
	}
	_, kept, after := reopen(t, dir)
	if len(kept) != linesPerFile+1 || kept[linesPerFile] != next || after != next+1 {
		t.Errorf("%d reports are kept, the next number is %d", len(kept), after)
	}
}

// Numbers may be far ahead of what is on the medium, which has its share of an hour only.
func TestNumbersFarAheadOfTheMediumAreNotGivenAgain(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir)
	write(t, j, 1, 1)
	const ahead = 3 * skippedReports
	if err := j.Close(ahead); err != nil {
		t.Fatal(err)
	}
	for range 3 { // each killed before it writes anything
		if _, _, next := reopen(t, dir); next < ahead {
			t.Errorf("the next number is %d", next)
		}
	}
}

func TestIncidentThatLastsOutlivesItsReports(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir)
	add := func(seq uint64, i *api.Incident) {
		t.Helper()
		if _, err := j.Append([]api.Report{{Event: Event{Seq: seq}, Incident: i}}, noon); err != nil {
			t.Fatal(err)
		}
	}
	add(1, &api.Incident{ID: 7, Title: "lasts"})
	add(2, &api.Incident{ID: 9, Title: "is over", Cleared: noon})
	for seq := uint64(3); seq < 3000; seq++ {
		add(seq, nil)
	}
	if err := j.Close(3000); err != nil {
		t.Fatal(err)
	}
	_, h, err := OpenJournal(dir, 1024)
	if err != nil || len(h.Open) != 1 || h.Open[0].ID != 7 || h.Open[0].Title != "lasts" || h.LastIncident != 9 {
		t.Errorf("open %+v, last %d, %v", h.Open, h.LastIncident, err)
	}
	if h.Reports[0].Event.Seq < 1000 {
		t.Errorf("the first report is still kept")
	}
}

// A storm can neither fill the medium nor wear it out; how incidents begin and end is
// kept whatever happens.
func TestStormIsBoundedAndIncidentsAreKept(t *testing.T) {
	dir := t.TempDir()
	j, _, err := OpenJournal(dir, 4096)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 5000)
	left := 0
	append := func(seq uint64, at time.Time, phase api.Phase) {
		t.Helper()
		n, err := j.Append([]api.Report{{Event: Event{Seq: seq, Text: text}, Phase: phase}}, at)
		if left += n; err != nil {
			t.Fatal(err)
		}
	}
	for seq := uint64(1); seq <= 2000; seq++ {
		append(seq, noon.Add(time.Duration(seq)*time.Millisecond), api.Update)
	}
	if written := (2000 - left) * len(text); left == 0 || written > bytesPerHour*11/10 || written < bytesPerHour/2 {
		t.Errorf("%d bytes written, %d reports left out", written, left)
	}
	append(2001, noon.Add(3*time.Second), api.Begin)
	left = 0
	append(2002, noon.Add(time.Hour), api.Update)
	if left != 0 {
		t.Error("after a calm hour a report is left out")
	}
	size := int64(0)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if most := int64(bytesPerFile * (4096/linesPerFile + 1)); size > most {
		t.Errorf("the journal has %d bytes, at most %d are said", size, most)
	}
	_, h, err := OpenJournal(dir, 4096)
	if got := numbers(h.Reports); err != nil || !slices.Equal(got[len(got)-2:], []uint64{2001, 2002}) {
		t.Errorf("the last reports are %v, %v", got[len(got)-2:], err)
	}
}

func TestFullMediumTearsNothingAndIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	l, _, err := OpenLog(dir, 100, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	// A file that is closed takes nothing, as a medium that is full.
	if err := l.journal.file.Close(); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); l.Keep(ctx, func(err error) { told <- err }) }()
	l.Add(report(NodeHealth, Warning))
	if err := <-told; err == nil {
		t.Error("told that all is well")
	}
	// Telling of it is an event like others, which fails like others.
	for range 3 {
		l.Add(report(EventsFault, Warning))
	}
	cancel()
	<-ended
	close(told)
	var rest []error
	for err := range told {
		rest = append(rest, err)
	}
	if len(rest) != 1 || !strings.Contains(rest[0].Error(), "file already closed") {
		t.Errorf("then it told %v, want what is lost at the end", rest)
	}
}

func FuzzNoTextOfAJournalIsMisread(f *testing.F) {
	good, err := line(api.Report{Event: Event{Seq: 7, Text: "x"}})
	if err != nil {
		f.Fatal(err)
	}
	closed, err := line(closing{8})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(""))
	f.Add(slices.Concat(good, closed))
	f.Add(slices.Concat(good[:20], []byte("\n"), good))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := parse(text)
		if c.whole < 0 || c.whole > len(text) {
			t.Fatalf("whole up to %d of %d", c.whole, len(text))
		}
		again := parse(text[:c.whole])
		if len(again.reports) != len(c.reports) || again.closed != 0 {
			t.Fatalf("cut at its last good line it has %d reports, before %d; closed %d", len(again.reports), len(c.reports), again.closed)
		}
	})
}
