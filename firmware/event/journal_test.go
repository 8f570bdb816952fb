package event

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"spoolgate/firmware/api"
)

// write appends events numbered from first to last.
func write(t testing.TB, j *Journal, first, last uint64) {
	t.Helper()
	var batch []api.Report
	for n := first; n <= last; n++ {
		batch = append(batch, api.Report{Event: Event{Seq: n, Kind: NodeHealth, Severity: Warning, Text: fmt.Sprintf("event %d", n)},
			Incident: &api.Incident{ID: n, Title: "x"}, Phase: api.Begin})
	}
	if err := j.Append(batch); err != nil {
		t.Fatal(err)
	}
}

func reopen(t testing.TB, dir string) (*Journal, []uint64, uint64) {
	t.Helper()
	j, kept, next, err := OpenJournal(dir, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range kept {
		if r.Event.Text != fmt.Sprintf("event %d", r.Event.Seq) || r.Incident == nil || r.Incident.ID != r.Event.Seq || r.Phase != api.Begin {
			t.Fatalf("misread: %+v", r)
		}
	}
	return j, numbers(kept), next
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
	l, err := OpenLog(filepath.Join(file, "events"), 10, nil)
	if err == nil || l == nil {
		t.Errorf("%v %v", l, err)
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
		c, whole := parse(text)
		if whole < 0 || whole > len(text) {
			t.Fatalf("whole up to %d of %d", whole, len(text))
		}
		again, _ := parse(text[:whole])
		if len(again.reports) != len(c.reports) || again.closed != c.closed {
			t.Fatalf("cut at its last good line it has %d reports, before %d", len(again.reports), len(c.reports))
		}
	})
}
