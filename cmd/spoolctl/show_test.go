package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

const statusText = `spoolgate-2: No spare: one node carries everything: B is Down (for 1m0s)
It is probably this box: 2 nodes fell silent
Overload for 1m0s: 198.18.1.7 (1000): that many connections are open
In use: 12 of 131072 connections, 6 of 262144 places for MFDs

print 198.18.0.10, masked, window 30m0s, ports 21 5011-5025: 6 bound MFDs, 1 open connection
NODE  ADDRESS      HEALTH  SERVICE         FOR   MFDS  OPEN  REASON
A     198.18.0.11  Up      Out of service  1m0s  3     2     stopped by the operator
B     198.18.0.12  Down    In service      1m0s  3     2     port 5022 refused the connection 3 times in a row
Seen for 1m0s: node A refuses port 5610 to MFDs

%

scan 198.18.0.20, transparent, window 1h0m0s, ports 21: 0 bound MFDs, 0 open connections
NODE  ADDRESS      HEALTH   SERVICE     FOR   MFDS  OPEN  REASON
A     198.18.0.21  Unknown  In service  1m0s  3     2     port 5022 refused the connection 3 times in a row
`

func watchedText() string {
	asked := now.Local().Format(time.TimeOnly)
	return "NODE  WINDOWS SERVICE  STATE           FOR   MISSES  ASKED     DETAIL\n" +
		"B     YSoftSQ-SPOC     stop pending    2s    0       " + asked + "  \n" +
		"B     YSoftSQ-TS       wrong password  1m0s  0       " + asked + "  does not count: said by 198.18.0.11\n"
}

func TestStatusSaysEachReasonWhyANodeDoesNotServe(t *testing.T) {
	for _, tt := range []struct {
		is      api.Health
		service api.Service
		want    string
	}{
		{api.Up, api.OutOfService, "stopped"},
		{api.Checking, api.Draining, "stopped"},
		{api.Down, api.InService, "port 5022"},
		{api.Down, api.OutOfService, "stopped; and Down: port 5022"},
		{api.Starting, api.Draining, "stopped; and Starting: port 5022"},
	} {
		if got := reason(api.Node{Health: tt.is, HealthReason: "port 5022", Service: tt.service, ServiceReason: "stopped"}); got != tt.want {
			t.Errorf("%s, %s: %q", tt.is, tt.service, got)
		}
	}
}

// A restart forgets since when an MFD is bound that was bound in the minute before.
func TestMFDThatMayBeBoundForLongerIsSaidToBe(t *testing.T) {
	b := bound()[0]
	b.Earlier = true
	if got := boundFor(now, b); got != "at least 1m30s" {
		t.Errorf("for %q", got)
	}
}

func TestAnswersAreTablesThatFitATerminal(t *testing.T) {
	at := func(d time.Duration, layout string) string { return now.Add(d).Local().Format(layout) }
	for words, want := range map[string]string{
		"status": strings.Replace(statusText, "%\n", watchedText(), 1),
		"who": `MFD          GROUP  NODE  FOR    WINDOW LEFT  OPEN  WHY
198.18.1.20  print  A     1m30s  30m0s        2     fewest connections at its first contact
`,
		"probes B": "PORT  TIME          OUTCOME      ROUND TRIP  DETAIL\n" +
			"5022  " + at(0, "15:04:05.000") + "  open         312µs       \n" +
			"5022  " + at(5*time.Second, "15:04:05.000") + "  unreachable              host unreachable, from 198.18.0.1\n\n" + watchedText(),
		"services B": `NAME        DISPLAY NAME                 STATE    WATCHED
Spooler     Print Spooler                running  
YSoftSQ-TS  YSoft SafeQ Terminal Server  stopped  yes
`,
		"events": at(0, "2006-01-02 15:04:05") + "  info     first\n" + at(0, "2006-01-02 15:04:05") + "  warning  B is Down: port 5022 refused (#4)\n",
		"incidents": "\n#4 warning: Node B of group print is Down (for 1m0s)\n  Cause: B is Down: port 5022 refused\n  MFDs moved: 61\n  Seen: 61 MFDs now on A\n  Do: Look at the server\n" +
			"\n#3 alert: Nobody can print (over since " + at(-time.Hour, time.DateTime) + ", lasted 1h0m0s)\n  Cause: x\n  It came 3 times since " + at(-2*time.Hour, time.DateTime) + "\n" +
			"\n#2 warning: Node A of group print went Down more than once (comes and goes, away for 5m0s)\n  Cause: y\n  It came 2 times since " + at(-2*time.Hour, time.DateTime) + "\n",
		"test B":     "done as asked.\n",
		"rehearse B": "if B goes now: 61 MFDs move, A would hold 118.\n",
		"mfd 198.18.1.20": "198.18.1.20 is on node A of group print for 1m30s: fewest connections at its first contact.\n" +
			"The node is Up, in service. It sees this MFD as 198.18.0.10, on all ports. 30m0s of the window are left.\n" +
			"\nOpen connections\nSINCE                NODE  PORT  SENT   RECEIVED  TIME\n" +
			at(-time.Minute, time.DateTime) + "  A     5011  999 B  1.2 MB    open for 1m0s\n" +
			"\nLast transfers\nSINCE                NODE  PORT              SENT    RECEIVED  TIME\n" +
			at(-time.Hour, time.DateTime) + "  B     50001 (FTP data)  8.4 GB  52 B      2.1s\n" +
			"\nMoves\nTIME                 GROUP  FROM  TO  WHY\n" +
			at(0, time.DateTime) + "  print  B     A   moved from B, which did not serve\n",
		"mfd 198.18.1.99": "198.18.1.99 is not bound; it gets a node at its next connection to the virtual address.\n",
		"flights B": "TIME          PORT  FROM   OUTCOME    SYN              +SYN-ACK µs  +RST µs  REPEATS  DETAIL\n" +
			at(0, "15:04:05.000") + "  5022  40000  open       " + at(120*time.Microsecond, "15:04:05.000000") + "  312          41       2        \n" +
			at(5*time.Second, "15:04:05.000") + "  5555  40001  timed out  " + at(5*time.Second+120*time.Microsecond, "15:04:05.000000") + "  -            -        -        SYN sent again: 1\n" +
			at(10*time.Second, "15:04:05.000") + "  5022  -      no route   -                -            -        -        this box has no address to probe from\n" +
			"B repeated its SYN-ACK 2 times after our RST since the balancer started.\n",
		"up-delay": "GROUP  NODE  UP-DELAY  LAST START           STARTS TOOK   ADVICE\n" +
			"print  A     2m0s      -                    -             none before three starts were measured\n" +
			"print  B     2m0s      " + at(-24*time.Hour, "2006-01-02 15:04:05") + "  94.0s 131.3s  the last 3 starts took 94 to 132 s; set up_delay = \"180s\", now it is 2m0s\n" +
			"scan   A     0s        -                    -             none before three starts were measured\n",
	} {
		if status, out, errs := new(balancer).ask(t, strings.Fields(words)...); status != 0 || out != want || errs != "" {
			t.Errorf("%s: exit %d, %s\n%s\nwant\n%s", words, status, errs, out, want)
		}
	}
	if _, out, _ := (&balancer{empty: true}).ask(t, "who"); out != "No bound MFD. One is bound at its first connection to the virtual address.\n" {
		t.Errorf("nobody is bound: %q", out)
	}
}

func TestFollowShowsEventsUntilTheBalancerGoes(t *testing.T) {
	status, out, errs := new(balancer).ask(t, "events", "-follow")
	if status != exitFailed || strings.Count(out, "\n") != 2 || !strings.Contains(errs, "ended: EOF") {
		t.Errorf("exit %d\n%s%s", status, out, errs)
	}
}

func TestJSONIsTheTypeOfTheAPI(t *testing.T) {
	for words, want := range map[string]any{
		"status": snapshot(), "who": bound(), "probes B": probed(), "services B": onNode(), "events": happened(), "incidents": matters(), "mfd 198.18.1.20": known(),
		"flights B":    flown(),
		"names":        whatIsNamed(),
		"drain A stop": api.Done{Text: "done as asked"}, "return A -json": api.Done{Text: "done as asked"},
	} {
		args := append(strings.Fields(words), "-json")
		if words == "status" || words == "drain A stop" || words == "return A -json" {
			args = append([]string{"-json"}, strings.Fields(strings.ReplaceAll(words, " A", " scan/A"))...)
		}
		_, out, errs := new(balancer).ask(t, args...)
		got := reflect.New(reflect.TypeOf(want))
		d := json.NewDecoder(strings.NewReader(out))
		d.DisallowUnknownFields()
		if err := d.Decode(got.Interface()); err != nil {
			t.Errorf("%s: %v in %s%s", words, err, out, errs)
			continue
		}
		a, _ := json.Marshal(got.Elem().Interface())
		b, _ := json.Marshal(want)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: %s, want %s", words, a, b)
		}
	}
	_, out, _ := new(balancer).ask(t, "events", "-follow", "-json")
	// The fake balancer ends after its events, which the last line tells.
	told, end, _ := strings.Cut(out, `{"error":`)
	if !strings.Contains(end, "ended") || strings.Count(told, "\n") != len(happened()) {
		t.Errorf("the stream: %s", out)
	}
	for line := range strings.Lines(told) {
		var e api.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Text == "" {
			t.Errorf("a line of the stream: %q %v", line, err)
		}
	}
}
