package syslog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/tools/lab/receiver"
)

func server(t *testing.T) *receiver.Log {
	t.Helper()
	l, err := receiver.NewLog()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	return l
}

// to is a configuration for a server.
func to(l *receiver.Log, transport string, trust config.Trust) config.Syslog {
	c := config.Syslog{Server: l.Address.String(), Port: receiver.SyslogPort, Transport: transport, Trust: trust}
	if transport == "tls" {
		c.Port = receiver.SyslogTLSPort
	}
	return c
}

// send sends and returns the stages that were passed.
func send(t *testing.T, c config.Syslog, phase api.Phase) (stages []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = New(c).Send(ctx, incident(phase), func(s api.Stage, _ string) { stages = append(stages, string(s)) })
	return stages, err
}

func TestRsyslogUnderstandsEveryTransport(t *testing.T) {
	l := server(t)
	want := `1|28|2026-03-02T08:00:00.123456Z|spoolgate-2|spoolgate|node.health|[spoolgate@8072.9999.9999.5555 number="41" kind="node.health" group="print" node="B" phase="begin" incident="7"`
	n := 0
	for _, c := range []struct {
		transport string
		trust     config.Trust
		stages    string
	}{
		{"udp", config.Trust{}, "message"},
		{"tcp", config.Trust{}, "connect message"},
		{"tls", config.Trust{CA: l.PEM}, "connect TLS message"},
		{"tls", config.Trust{Fingerprint: l.Fingerprint}, "connect TLS message"},
	} {
		stages, err := send(t, to(l, c.transport, c.trust), api.Begin)
		if err != nil || strings.Join(stages, " ") != c.stages {
			t.Errorf("%s: passed %v, want %s: %v", c.transport, stages, c.stages, err)
		}
		n++
		lines, err := l.Await(n)
		if err != nil {
			t.Fatalf("%s: %v", c.transport, err)
		}
		if last := lines[n-1]; !strings.HasPrefix(last, want) || !strings.HasSuffix(last, `Alert: Node B is Down. B is Down: "5022" [refused]`) {
			t.Errorf("%s: the server understood\n%s", c.transport, last)
		}
	}
}

func TestTestSaysWhereTheWayToALogServerEnds(t *testing.T) {
	l := server(t)
	nobody := to(l, "tcp", config.Trust{})
	nobody.Port = 9
	deaf := to(l, "udp", config.Trust{})
	deaf.Port = 9
	unnamed := to(l, "tcp", config.Trust{})
	unnamed.Server = "log.invalid"
	for name, c := range map[string]struct {
		config config.Syslog
		stage  api.Stage
		words  string
	}{
		"no such name":             {unnamed, api.StageDNS, "log.invalid"},
		"nobody listens":           {nobody, api.StageConnect, "refuses: nobody listens on port 9"},
		"nobody listens, over UDP": {deaf, api.StageConnect, "refuses: nobody listens on port 9"},
		"an unknown authority":     {to(l, "tls", config.Trust{}), api.StageTLS, "fingerprint " + l.Fingerprint},
		"another certificate":      {to(l, "tls", config.Trust{Fingerprint: strings.Repeat("ab", 32)}), api.StageTLS, "shows another certificate than the pinned one"},
	} {
		_, err := send(t, c.config, api.Begin)
		var f *api.Failure
		if !errors.As(err, &f) || f.Stage != c.stage || !strings.Contains(f.What, c.words) || f.Do == "" || f.Lasting {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerThatDiesBeforeItHasAMessageGetsItLater(t *testing.T) {
	l := server(t)
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := send(t, to(l, "tcp", config.Trust{}), api.Begin); err == nil {
		t.Error("a message to a server that is down counts as sent")
	}
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := send(t, to(l, "tcp", config.Trust{}), api.Clear); err != nil {
		t.Error(err)
	}
	if lines, err := l.Await(1); err != nil || !strings.Contains(lines[0], "Over: Node B is Down.") {
		t.Errorf("%v %v", lines, err)
	}
}
