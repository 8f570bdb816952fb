package webhook

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/letter"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func incident(phase api.Phase) letter.Message {
	return letter.Message{Box: "spoolgate-2", Report: api.Report{
		Phase: phase,
		Event: api.Event{Seq: 41, Time: at, Kind: "node.health", Severity: "warning", Group: "print", Node: "B", Text: "B is <Down> & out"},
		Incident: &api.Incident{ID: 7, Kind: "node.down", Severity: "alert", Group: "print", Node: "B", Title: "Node B is Down",
			Cause: "port 5022 refuses", Do: "Look at the server", Began: at, Moved: 61, Times: 1},
	}}
}

// service is a web server with TLS that answers as it is told and remembers what came.
type service struct {
	*httptest.Server
	mu      sync.Mutex
	headers []http.Header
	bodies  [][]byte
}

func serve(t *testing.T, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		s.mu.Lock()
		s.headers, s.bodies = append(s.headers, r.Header), append(s.bodies, body)
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) trust() config.Trust {
	sum := sha256.Sum256(s.Certificate().Raw)
	return config.Trust{Fingerprint: hex.EncodeToString(sum[:])}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); io.WriteString(w, "so it is") }
}

func send(t *testing.T, c config.Webhook, address string, m letter.Message) (stages string, err error) {
	t.Helper()
	s, err := New(c, address, "shared", func() time.Time { return at.Add(time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var passed []string
	err = s.Send(ctx, m, func(s api.Stage, _ string) { passed = append(passed, string(s)) })
	return strings.Join(passed, " "), err
}

func TestReceiverCanTellThatAReportIsOfTheBoxAndNew(t *testing.T) {
	s := serve(t, status(http.StatusAccepted))
	stages, err := send(t, config.Webhook{Format: "generic", Trust: s.trust()}, s.URL+"/hook", incident(api.Begin))
	if err != nil || stages != "connect TLS message" {
		t.Fatalf("passed %s: %v", stages, err)
	}
	h, body := s.headers[0], s.bodies[0]
	if h.Get("Content-Type") != "application/json" || h.Get(NumberHeader) != "41" {
		t.Errorf("%v", h)
	}
	if got, want := h.Get(SignatureHeader), Sign("shared", at.Add(time.Hour), body); got != want || !strings.HasPrefix(got, "t=1772442000,sha256=") {
		t.Errorf("signature %s, want %s", got, want)
	}
	// By openssl: printf '1772442000.{}' | openssl dgst -sha256 -hmac shared
	if got := Sign("shared", at.Add(time.Hour), []byte("{}")); got != "t=1772442000,sha256=b654292e98d9b86cfe57b849a38cfcc8012e91cee64f3e3d5b168a5c1af4414a" {
		t.Errorf("signature %s", got)
	}
	var got struct {
		Box, Subject, Text string
		Event              api.Event
		Incident           api.Incident
		Phase              api.Phase
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Box != "spoolgate-2" || got.Event.Seq != 41 || got.Incident.Moved != 61 || got.Phase != api.Begin ||
		got.Subject != "spoolgate-2: Alert: Node B is Down" || !strings.Contains(got.Text, "MFDs moved  61") {
		t.Errorf("%v in %s", err, body)
	}
}

func TestTeamsAndSlackGetTheirOwnForm(t *testing.T) {
	var card struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []struct {
					Type, Text, Color string
					Facts             []struct{ Title, Value string }
				}
			}
		}
	}
	for phase, colour := range map[api.Phase]string{api.Begin: "attention", api.Digest: "warning", api.Clear: "good"} {
		body, err := render("teams", incident(phase))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &card); err != nil {
			t.Fatal(err)
		}
		a := card.Attachments[0]
		if card.Type != "message" || a.ContentType != "application/vnd.microsoft.card.adaptive" || a.Content.Type != "AdaptiveCard" || a.Content.Version != "1.4" ||
			a.Content.Body[0].Color != colour || !strings.Contains(a.Content.Body[0].Text, "Node B is Down") || a.Content.Body[1].Facts[0].Value != "B is <Down> & out" {
			t.Errorf("%s: %s", phase, body)
		}
	}
	var slack struct {
		Text   string
		Blocks []struct {
			Type string
			Text struct{ Type, Text string }
		}
	}
	long := incident(api.Begin)
	long.Incident.Title, long.Incident.Cause = strings.Repeat("ü", 400), strings.Repeat("<", 4000)
	body, err := render("slack", long)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &slack); err != nil {
		t.Fatal(err)
	}
	header, section := slack.Blocks[0].Text, slack.Blocks[1].Text
	if header.Type != "plain_text" || len([]rune(header.Text)) != 100 || section.Type != "mrkdwn" || len([]rune(section.Text)) != 3000 || !strings.Contains(section.Text, "*What:* B is &lt;Down&gt; &amp; out\n") {
		t.Errorf("%s", body)
	}
}

func TestTestSaysWhereTheWayToAServiceEnds(t *testing.T) {
	elsewhere := serve(t, status(http.StatusOK))
	moved := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	old := httptest.NewUnstartedServer(status(200))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	defer old.Close()
	type place struct {
		url   string
		trust config.Trust
	}
	at := func(s *service) place { return place{s.URL + "/secret-path", s.trust()} }
	for name, c := range map[string]struct {
		place
		stage   api.Stage
		words   string
		lasting bool
	}{
		"no such name":         {place{"https://hooks.invalid/secret-path", config.Trust{}}, api.StageDNS, "hooks.invalid", false},
		"nobody listens":       {place{"https://" + closed.Addr().String() + "/secret-path", config.Trust{}}, api.StageConnect, "refuses: nobody listens", false},
		"an unknown authority": {place{elsewhere.URL + "/secret-path", config.Trust{}}, api.StageTLS, "is not trusted", false},
		"an old TLS":           {place{old.URL + "/secret-path", config.Trust{}}, api.StageTLS, "found no TLS", false},
		"a redirect":           {at(moved), api.StageRecipient, "307 Temporary Redirect", false},
		"no such webhook":      {at(serve(t, status(404))), api.StageRecipient, "404 Not Found so it is", false},
		"not allowed":          {at(serve(t, status(403))), api.StageLogin, "403 Forbidden", false},
		"busy":                 {at(serve(t, status(429))), api.StageMessage, "429", false},
		"out of order":         {at(serve(t, status(502))), api.StageMessage, "502", false},
		"not understood":       {at(serve(t, status(400))), api.StageMessage, "400 Bad Request so it is", true},
	} {
		_, err := send(t, config.Webhook{Format: "generic", Trust: c.trust}, c.url, incident(api.Begin))
		var f *api.Failure
		if !errors.As(err, &f) || f.Stage != c.stage || !strings.Contains(f.What, c.words) || f.Do == "" || f.Lasting != c.lasting {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret-path") {
			t.Errorf("%s tells the address, which is a secret: %v", name, err)
		}
	}
	if len(elsewhere.bodies) > 0 {
		t.Error("the report went where the redirect pointed")
	}
}

func TestAddressThatIsNoneIsNotRepeated(t *testing.T) {
	for _, address := range []string{"http://hooks.example.com/secret-path", "secret-path", "https://h:99999/secret-path", "https://%zz/secret-path", ""} {
		_, err := New(config.Webhook{}, address, "", time.Now)
		if err == nil || strings.Contains(err.Error(), "secret-path") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
