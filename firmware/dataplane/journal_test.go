package dataplane

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func record(n int, at int64) Record {
	r := Record{Written: time.Unix(at, 0), Services: map[netip.Addr]string{nodeAddr(2): "Out of service"}}
	for i := range n {
		r.Entries = append(r.Entries, Entry{vip, printer(i), nodeAddr(1 + i%2), 17 * time.Minute, time.Unix(at-100, 0), i%3 == 0})
	}
	return r
}

func saved(t *testing.T, records ...Record) (*Journal, string) {
	t.Helper()
	dir := t.TempDir()
	j, err := OpenJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := j.Save(r); err != nil {
			t.Fatal(err)
		}
	}
	return j, dir
}

func TestJournalRemembersWhoIsWhere(t *testing.T) {
	want := record(20, 1767225600)
	j, _ := saved(t, want)
	got, err := j.Load()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("loaded %+v, %v; want %+v", got, err, want)
	}
}

func TestNoJournalIsAnEmptyOne(t *testing.T) {
	j, _ := saved(t)
	if got, err := j.Load(); err != nil || !reflect.DeepEqual(got, Record{}) {
		t.Errorf("loaded %+v, %v", got, err)
	}
}

// TestPowerCutLeavesTheOldRecordOrTheNew cuts the newest file at every byte and
// damages every byte of it.
func TestPowerCutLeavesTheOldRecordOrTheNew(t *testing.T) {
	before, after := record(3, 1767225600), record(5, 1767225660)
	j, dir := saved(t, before, after)
	file := filepath.Join(dir, journalName)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, b []byte) {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := j.Load(); err != nil || !reflect.DeepEqual(got, before) {
			t.Fatalf("%s: loaded %+v, %v", what, got, err)
		}
	}
	for i := range whole {
		check(fmt.Sprintf("cut at byte %d", i), whole[:i])
		damaged := append([]byte(nil), whole...)
		damaged[i] ^= 0x04
		check(fmt.Sprintf("damaged at byte %d", i), damaged)
	}
	if err := os.Remove(file); err != nil { // the cut was between the renames
		t.Fatal(err)
	}
	if got, err := j.Load(); err != nil || !reflect.DeepEqual(got, before) {
		t.Errorf("without the newest: loaded %+v, %v", got, err)
	}
}

func TestJournalIsWrittenAtMostOnceAMinuteUnlessAsked(t *testing.T) {
	at := time.Unix(1767225600, 0)
	j, _ := saved(t)
	if !j.Due(at) {
		t.Error("not due before the first write")
	}
	if err := j.Save(Record{Written: at}); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]bool{0: false, 59 * time.Second: false, time.Minute: true, -time.Hour: true} {
		if got := j.Due(at.Add(after)); got != want {
			t.Errorf("due %s after a write: %v", after, got)
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add(encodeRecord(record(2, 1767225600)))
	f.Add([]byte(journalHeader + "end 1 00000000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := decodeRecord(encodeRecord(r))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}

func BenchmarkJournal100000(b *testing.B) {
	r := record(100_000, 1767225600)
	for b.Loop() {
		if _, err := decodeRecord(encodeRecord(r)); err != nil {
			b.Fatal(err)
		}
	}
}
