package report

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestCursorOutlastsARestart(t *testing.T) {
	s := NewStore(t.TempDir())
	fresh, err := s.Load("mail", start)
	if err != nil || !fresh.Fresh || !fresh.Newest.Equal(start) {
		t.Fatalf("%+v %v", fresh, err)
	}
	want := Cursor{Seq: 9, Newest: start, Missed: 3, Refused: 1, Told: []uint64{4, 7}, SentAt: start, SentTo: "mail.example.com"}
	if err := s.Save("mail", want); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load("mail", start.Add(1)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
}

func TestDamagedCursorBeginsNowAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mail.json"), []byte(`{"seq":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := NewStore(dir).Load("mail", start); err == nil || !c.Fresh || !c.Newest.Equal(start) {
		t.Errorf("%+v %v", c, err)
	}
}

func TestReporterThatWasOffBeginsAnew(t *testing.T) {
	s := NewStore(t.TempDir())
	for _, name := range []string{"mail", "syslog"} {
		if err := s.Save(name, Cursor{Seq: 5}); err != nil {
			t.Fatal(err)
		}
	}
	boots, err := s.Boots()
	if err != nil || boots != 1 {
		t.Fatalf("%d %v", boots, err)
	}
	if err := s.Retain([]string{"syslog"}); err != nil {
		t.Fatal(err)
	}
	if c, _ := s.Load("mail", start); !c.Fresh {
		t.Errorf("mail goes on from %+v", c)
	}
	if c, _ := s.Load("syslog", start); c.Seq != 5 {
		t.Errorf("syslog begins from %+v", c)
	}
	if boots, err := s.Boots(); err != nil || boots != 2 {
		t.Errorf("the count of starts is %d, want 2: it goes on whoever is told (%v)", boots, err)
	}
}
