package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// reboot restarts the first server: rounds of 5 s in which its machine answers and
// its services do not.
func (b *box) reboot(rounds int) {
	b.Helper()
	for range 4 {
		b.round(api.Absent, "198.18.0.11")
	}
	for range rounds {
		b.round(api.Refused, "198.18.0.11")
	}
	for range 25 {
		b.round(api.Open)
	}
	if err := b.starts.finish(b.starts.starts); err != nil {
		b.Fatal(err)
	}
}

func TestUpDelayIsProposedAfterThreeStartsAndNeverChanged(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	b.reboot(20)
	b.reboot(24)
	if n := b.node("A"); len(n.Starts) != 2 || time.Duration(n.Starts[0].Took) != 100*time.Second || n.UpDelayAdvice != "" {
		t.Errorf("after two starts: %+v %q", n.Starts, n.UpDelayAdvice)
	}
	b.reboot(22)
	want := `the last 3 starts took 100 to 120 s; up_delay is 3m0s, which is enough, and up_delay = "150s" would be, too`
	if n := b.node("A"); n.UpDelayAdvice != want || time.Duration(b.last().Groups[0].UpDelay) != 3*time.Minute {
		t.Errorf("%q, up_delay %v", n.UpDelayAdvice, time.Duration(b.last().Groups[0].UpDelay))
	}
	b.reboot(21)
	b.wantTold(event.NodeStart, "info: A took 100.0 s from its first sign of life to steady answers", "info: A took 120.0 s", "notice: A took 110.0 s from its first sign of life to steady answers. Of A, "+want, "info: A took 105.0 s")
	if n := b.node("B"); len(n.Starts) != 0 {
		t.Errorf("B never started: %v", n.Starts)
	}
}

func TestServerThatNeedsLongerThanTheUpDelayIsAWarning(t *testing.T) {
	b := newBox(t, twoNodes+"checks.up_delay = \"1m\"\n")
	b.round(api.Open)
	b.reboot(20)
	b.reboot(20)
	b.reboot(20)
	b.wantTold(event.NodeStart,
		"warning: A took 100.0 s from its first sign of life to steady answers, and up_delay of group print is only 1m0s: MFDs may reach a server that still starts. Set a longer one",
		"warning: A took 100.0 s",
		`MFDs may reach a server that still starts. Of A, the last 3 starts took 100 to 100 s; set up_delay = "150s", now it is 1m0s`)
	b.text = twoNodes + "checks.up_delay = \"150s\"\n"
	if _, err := b.reload(); err != nil {
		t.Fatal(err)
	}
	b.text = twoNodes + "checks.up_delay = \"90s\"\n"
	for range 2 {
		if _, err := b.reload(); err != nil {
			t.Fatal(err)
		}
	}
	if told := b.told(event.NodeStart); len(told) != 5 || told[3] != "notice: up_delay of group print, 2m30s, is as long as A has needed to start" ||
		!strings.HasPrefix(told[4], "warning: A has needed up to 100.0 s to start, and up_delay of group print is only 1m30s") {
		t.Errorf("after a change to a shorter one: %s", strings.Join(told, "\n"))
	}
}

func TestMeasuredStartsOutlastTheBoxAndATornFile(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	file := filepath.Join(b.dir, startsName)
	if _, err := os.Stat(file); err == nil {
		t.Error("the medium is written although nothing was measured")
	}
	b.reboot(20)
	b.kernel = newFakeKernel()
	b.restart()
	if n := b.node("A"); len(n.Starts) != 1 || !n.Starts[0].At.Equal(start.Add(25*time.Second)) {
		t.Errorf("after a restart of the box: %+v", n.Starts)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	b.restart()
	if n := b.node("A"); len(n.Starts) != 0 {
		t.Errorf("from half a file: %+v", n.Starts)
	}
	b.round(api.Open)
	b.reboot(20)
	b.restart()
	if n := b.node("A"); len(n.Starts) != 1 {
		t.Errorf("after a new start: %+v", n.Starts)
	}
}

// With one node down the box can't be to blame; when both fall silent at once it
// can, and measures nothing.
func TestCableOfTheBoxIsNoStartOfANode(t *testing.T) {
	b := newBox(t, twoNodes)
	b.round(api.Open)
	for range 6 {
		b.round(api.Absent, "198.18.0.11", "198.18.0.12")
	}
	for range 6 {
		b.round(api.Refused, "198.18.0.11")
	}
	for range 30 {
		b.round(api.Open)
	}
	b.wantTold(event.NodeStart)
}

func TestRestartCountsNoStartAgain(t *testing.T) {
	b := newBox(t, twoNodes+"checks.up_delay = \"1m\"\n")
	b.round(api.Open)
	b.reboot(20)
	told := len(b.told(event.NodeStart))
	before := b.last().Incidents
	if told != 1 || len(before) != 1 || before[0].Kind != event.NodeStart {
		t.Fatalf("told %d times, %+v", told, before)
	}
	for range 3 {
		b.killed()
		b.pass(2*time.Minute + 10*time.Second)
		if l := b.last().Incidents; len(l) != 1 || l[0].Times != 1 || l[0].ID != before[0].ID || !l[0].Updated.Equal(before[0].Updated) {
			t.Errorf("after the restart %+v", l)
		}
	}
	if got := b.told(event.NodeStart); len(got) != told {
		t.Errorf("told again: %s", strings.Join(got, "\n"))
	}
	b.pass(4 * time.Minute)
	if l := b.last().Incidents; len(l) != 0 {
		t.Errorf("its end was put off: %+v", l)
	}
	b.text = strings.Replace(b.text, "1m", "90s", 1) // while the balancer is dead
	b.killed()
	if got := b.told(event.NodeStart); len(got) != told+1 || !strings.Contains(got[told], "is only 1m30s") {
		t.Errorf("of another delay that is too short: %s", strings.Join(got, "\n"))
	}
}
