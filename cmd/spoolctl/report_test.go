package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/report/mib"
)

func reporters() []api.Reporter {
	return []api.Reporter{
		{Name: "syslog", Target: "log.example.com:514 over udp", Least: "notice", Delivered: 9, DeliveredAt: now.Add(-time.Minute)},
		{Name: "mail", Target: "admins@example.com by mail.example.com:587", Least: "warning", Waiting: 4, Missed: 2, Refused: 1, Since: now.Add(-2 * time.Hour), Tries: 17,
			NextTry: now.Add(90 * time.Second), Trouble: &api.Failure{Stage: api.StageConnect, What: "mail.example.com:587 refuses: nobody listens on port 587 there", Do: "Start the service on that server, or correct the port"}},
	}
}

func tested(name string) api.ReportTest {
	t := api.ReportTest{Reporter: name, Steps: []api.Step{{Stage: api.StageDNS, Text: "mail.example.com is 192.0.2.25"}, {Stage: api.StageConnect, Text: "192.0.2.25:587 answers"}}}
	if name == "mail" {
		t.Stopped = &api.Failure{Stage: api.StageTLS, What: "mail.example.com:587 is not trusted", Do: "Write its fingerprint"}
	}
	return t
}

// askReporters runs spoolctl against a reportd that answers from what is above.
func askReporters(t *testing.T, list []api.Reporter, args ...string) (status int, out, errs string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/reporters", func(w http.ResponseWriter, _ *http.Request) { wire.Answer(w, list, nil) })
	mux.HandleFunc("POST /v1/reporters/{name}/test", func(w http.ResponseWriter, r *http.Request) { wire.Answer(w, tested(r.PathValue("name")), nil) })
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	s.Start()
	defer s.Close()
	var stdout, stderr strings.Builder
	status = run(t.Context(), append(args, "-reportd", path), func() time.Time { return now }, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

func TestListOfReportersSaysWhatWaitsAndWhy(t *testing.T) {
	want := `REPORTER  FROM     WAITING  MISSED  LAST SENT  TO
syslog    notice   0        0       1m0s       log.example.com:514 over udp
mail      warning  4        3       -          admins@example.com by mail.example.com:587

mail: stopped at connect, for 2h0m0s, 17 tries, next in 1m30s:
mail.example.com:587 refuses: nobody listens on port 587 there.
Start the service on that server, or correct the port.
`
	if status, out, errs := askReporters(t, reporters(), "report", "list"); status != exitOK || out != want || errs != "" {
		t.Errorf("exit %d, %s\n%s\nwant\n%s", status, errs, out, want)
	}
	if _, out, _ := askReporters(t, []api.Reporter{}, "report", "list"); !strings.Contains(out, "Nobody is told") {
		t.Error(out)
	}
}

func TestListOfReportersSaysWhoIsLeftOut(t *testing.T) {
	want := `REPORTER  FROM     WAITING  MISSED  LAST SENT  TO
mail      warning  0        0       1m0s       a@example.com, b@example.com by mail.example.com:587

mail: what it sends does not get to everybody:
a@example.com was refused: "550 unknown user".
Correct to under [report.mail].
`
	left := api.Reporter{Name: "mail", Target: "a@example.com, b@example.com by mail.example.com:587", Least: "warning", DeliveredAt: now.Add(-time.Minute),
		LeftOut: &api.Failure{Stage: api.StageRecipient, What: `a@example.com was refused: "550 unknown user"`, Do: "Correct to under [report.mail]"}}
	if status, out, errs := askReporters(t, []api.Reporter{left}, "report", "list"); status != exitOK || out != want || errs != "" {
		t.Errorf("exit %d, %s\n%s\nwant\n%s", status, errs, out, want)
	}
}

func TestTestOfAReporterFailsWhereItStopped(t *testing.T) {
	passed := "DNS      passed  mail.example.com is 192.0.2.25\nconnect  passed  192.0.2.25:587 answers\n"
	if status, out, errs := askReporters(t, nil, "report", "test", "webhook"); status != exitOK || out != passed || errs != "" {
		t.Errorf("exit %d, %s%s", status, errs, out)
	}
	status, out, errs := askReporters(t, nil, "report", "test", "mail")
	if status != exitFailed || !strings.HasSuffix(out, "TLS      STOPPED  mail.example.com:587 is not trusted\n") || !strings.Contains(errs, "the test of mail stopped at TLS. Write its fingerprint") {
		t.Errorf("exit %d, %s%s", status, errs, out)
	}
	status, out, _ = askReporters(t, nil, "report", "test", "mail", "-json")
	var got api.ReportTest
	if err := json.Unmarshal([]byte(out), &got); status != exitFailed || err != nil || !reflect.DeepEqual(got, tested("mail")) {
		t.Errorf("exit %d, %v: %s", status, err, out)
	}
}

func TestModuleIsPrintedWithoutADaemon(t *testing.T) {
	status, out, errs := new(balancer).ask(t, "report", "mib")
	if status != exitOK || !strings.HasPrefix(out, "SPOOLGATE-MIB DEFINITIONS ::= BEGIN\n") || errs != "" {
		t.Errorf("exit %d, %s%.80s", status, errs, out)
	}
}

func TestModuleAsJSONHasItsNameAndItsText(t *testing.T) {
	status, out, errs := new(balancer).ask(t, "report", "mib", "-json")
	var got module
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != exitOK || got != (module{"SPOOLGATE-MIB", mib.Text}) {
		t.Errorf("exit %d, %v, %s%.80s", status, err, errs, out)
	}
}

func TestSilentReportersAreNamed(t *testing.T) {
	status, _, errs := new(balancer).ask(t, "report", "list", "-reportd", "/nowhere")
	if status != exitFailed || strings.Count(errs, " running? ") != 1 || !strings.Contains(errs, "Is reportd running? Name its socket with -reportd PATH") {
		t.Errorf("exit %d, %s", status, errs)
	}
}
