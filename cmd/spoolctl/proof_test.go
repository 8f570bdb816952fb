package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"spoolgate/firmware/api"
)

func TestProofFailsWhenASentenceIsNotMet(t *testing.T) {
	want := "The requirement, as seen at " + now.Local().Format(time.DateTime) + "\npass: 1; fail: 1; can't be seen yet: 0; can't be seen from here: 0\n" +
		"\nTerminal Failover, group print\n  pass: \"a minimum of 30 minutes\"\n      the window is 30m0s\n" +
		"\nTerminal Failover\n  fail: \"reporting\"\n      no reporter is configured\n"
	if status, out, errs := new(balancer).ask(t, "proof"); status != exitFailed || out != want || !strings.Contains(errs, "1 sentence of the requirement not met") {
		t.Errorf("exit %d, %s\n%s\nwant\n%s", status, errs, out, want)
	}
	status, out, _ := new(balancer).ask(t, "proof", "-json")
	var got api.Proof
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != exitFailed || !reflect.DeepEqual(got, proved()) {
		t.Errorf("exit %d, %v: %+v", status, err, got)
	}
	if !strings.Contains(out, `"id": "window"`) || !strings.Contains(out, `"verdict": "fail"`) {
		t.Errorf("a program reads\n%s", out)
	}
}

// Who runs it from a script tells a failure from what nothing has shown yet, and is not
// held up by what the box will never see.
func TestExitOfProofTellsAFailureFromWhatCannotBeSeenYet(t *testing.T) {
	for _, tt := range []struct {
		verdicts []api.Verdict
		status   int
		says     string
	}{
		{[]api.Verdict{api.Pass, api.Pass}, exitOK, ""},
		{[]api.Verdict{api.Pass, api.UnseenHere}, exitOK, ""},
		{[]api.Verdict{api.Pass, api.UnseenYet, api.UnseenHere}, exitUnseen, "1 sentence of the requirement not seen"},
		{[]api.Verdict{api.Fail, api.UnseenYet}, exitFailed, "1 sentence of the requirement not met"},
	} {
		p := api.Proof{Time: now}
		for _, v := range tt.verdicts {
			p.Items = append(p.Items, api.ProofItem{ID: "x", Section: "s", Sentence: "w", Verdict: v, Evidence: []string{"e"}})
		}
		for _, args := range [][]string{{"proof"}, {"proof", "-json"}} {
			status, out, errs := (&balancer{proof: &p}).ask(t, args...)
			if status != tt.status || len(args) == 1 && !strings.Contains(errs, tt.says) || strings.Contains(out, `"error"`) {
				t.Errorf("%v %v: exit %d, want %d: %s%s", args, tt.verdicts, status, tt.status, out, errs)
			}
		}
	}
	if _, out, _ := new(balancer).ask(t, "help"); !strings.Contains(out, "3 nothing fails, but something can't be seen yet") {
		t.Errorf("the help does not tell:\n%s", out)
	}
}

func TestProofFitsIntoAHundredColumns(t *testing.T) {
	long := strings.Repeat("the box saw that µ of them went there; ", 20)
	p := api.Proof{Time: now, Items: []api.ProofItem{{ID: "x", Section: "s", Sentence: long, Verdict: api.UnseenYet, Evidence: []string{long, strings.Repeat("x", 120)}}}}
	_, out, _ := (&balancer{proof: &p}).ask(t, "proof")
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 100 && !strings.Contains(line, "xxx") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if got := strings.Count(strings.Join(strings.Fields(out), " "), "the box saw that µ of them went there;"); got != 40 {
		t.Errorf("%d of 40 are left of the words:\n%s", got, out)
	}
}
