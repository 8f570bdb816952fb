package snmp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/config"
	"spoolgate/firmware/report/letter"
	"spoolgate/tools/lab/receiver"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 100e6, time.UTC)

func incident(phase api.Phase) letter.Message {
	return letter.Message{Box: "spoolgate-2", Report: api.Report{
		Phase: phase,
		Event: api.Event{Seq: 41, Time: at, Kind: "node.health", Severity: "warning", Group: "print", Node: "B", Text: "B is Down: " + strings.Repeat("ü", 200)},
		Incident: &api.Incident{ID: 7, Kind: "node.down", Severity: "alert", Group: "print", Node: "B", Title: "Node B is Down",
			Cause: "port 5022 refuses", Do: "Look at the server", Began: at.Add(-time.Minute), Moved: 61, Times: 1},
	}}
}

var engineID = EngineID("spoolgate-2")

// station starts one that knows the box and its user.
func station(t *testing.T, auth, privacy string) *receiver.Station {
	t.Helper()
	s, err := receiver.NewStation([]string{"../mib", "../mib/testdata/base"}, hex.EncodeToString(engineID), auth, privacy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func passwords() Secrets {
	return Secrets{Community: receiver.Community, Auth: receiver.AuthPassword, Privacy: receiver.PrivacyPassword}
}

func to(s *receiver.Station, version string, inform bool) config.SNMP {
	return config.SNMP{Server: s.Address.String(), Port: receiver.TrapPort, Version: version, Inform: inform, User: receiver.TrapUser, Auth: "SHA256", Privacy: "AES"}
}

func send(t *testing.T, c config.SNMP, secrets Secrets, boots uint32, m letter.Message) (last string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e := Engine{ID: engineID, Boots: boots, Started: time.Now().Add(-90 * time.Second), Now: time.Now}
	err = New(c, secrets, e).Send(ctx, m, func(_ api.Stage, text string) { last = text })
	return last, err
}

func TestSnmptrapdUnderstandsEveryNotification(t *testing.T) {
	s := station(t, "SHA-256", "AES")
	for i, c := range []struct {
		version string
		inform  bool
		phase   api.Phase
		name    string
	}{
		{"2c", false, api.Begin, "spoolgateIncidentBegin"}, {"2c", true, api.Update, "spoolgateIncidentUpdate"},
		{"3", false, api.Digest, "spoolgateIncidentDigest"}, {"3", true, api.Clear, "spoolgateIncidentClear"},
	} {
		m := incident(c.phase)
		m.Event.Seq = uint64(100 + i)
		last, err := send(t, to(s, c.version, c.inform), passwords(), 3, m)
		if err != nil || c.inform != strings.Contains(last, "confirmed") {
			t.Errorf("%s: %q %v", c.name, last, err)
		}
		text, err := s.Await(fmt.Sprintf("spoolgateEventNumber.0 = Gauge32: %d", m.Event.Seq))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, want := range []string{
			"SPOOLGATE-MIB::" + c.name, "spoolgateBoxName.0 = STRING: spoolgate-2", "spoolgateEventSeverity.0 = INTEGER: warning(3)", "spoolgateIncidentSeverity.0 = INTEGER: alert(4)",
			"spoolgateIncidentId.0 = Gauge32: 7", "spoolgateIncidentTitle.0 = STRING: Node B is Down", "spoolgateIncidentMoved.0 = Gauge32: 61",
			"spoolgateEventTime.0 = STRING: 2026-3-2,8:0:0.1,+0:0", "spoolgateIncidentBegan.0 = STRING: 2026-3-2,7:59:0.1,+0:0",
			"spoolgateEventText.0 = STRING: B is Down: " + strings.Repeat("ü", 122) + "\t",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, text)
			}
		}
	}
}

func TestTestAndEventHaveNotificationsOfTheirOwn(t *testing.T) {
	s := station(t, "SHA-256", "AES")
	event := incident("")
	event.Incident = nil
	test := event
	test.Test = true
	for name, m := range map[string]letter.Message{"spoolgateEventNotification": event, "spoolgateTestNotification": test} {
		if _, err := send(t, to(s, "2c", false), passwords(), 1, m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Await("SPOOLGATE-MIB::" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryAlgorithmOfVersion3IsUnderstood(t *testing.T) {
	for _, c := range []struct{ auth, privacy, theirAuth, theirPrivacy string }{
		{"SHA", "AES192", "SHA", "AES-192"}, {"SHA224", "AES256", "SHA-224", "AES-256"}, {"SHA384", "AES", "SHA-384", "AES"}, {"SHA512", "AES256", "SHA-512", "AES-256"},
	} {
		s := station(t, c.theirAuth, c.theirPrivacy)
		for _, inform := range []bool{false, true} {
			config := to(s, "3", inform)
			config.Auth, config.Privacy = c.auth, c.privacy
			if _, err := send(t, config, passwords(), 1, incident(api.Begin)); err != nil {
				t.Errorf("%s and %s, inform %v: %v", c.auth, c.privacy, inform, err)
			}
		}
		if _, err := s.Await("spoolgateIncidentBegin"); err != nil {
			t.Errorf("%s and %s: %v", c.auth, c.privacy, err)
		}
	}
}

// A station takes what has fewer starts than before for a replay.
func TestTrapsOfTheNextStartAreHeard(t *testing.T) {
	s := station(t, "SHA-256", "AES")
	for boots := uint32(1); boots <= 2; boots++ {
		m := incident(api.Begin)
		m.Event.Seq = 1000 + uint64(boots)
		if _, err := send(t, to(s, "3", false), passwords(), boots, m); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Await(fmt.Sprintf("spoolgateEventNumber.0 = Gauge32: %d", m.Event.Seq)); err != nil {
			t.Errorf("start %d: %v", boots, err)
		}
	}
}

func TestTestSaysWhereTheWayToAStationEnds(t *testing.T) {
	s := station(t, "SHA-256", "AES")
	deaf := to(s, "2c", false)
	deaf.Port = 9
	unnamed := to(s, "2c", false)
	unnamed.Server = "station.invalid"
	stranger := to(s, "3", true)
	stranger.User = "stranger"
	for name, c := range map[string]struct {
		config  config.SNMP
		secrets Secrets
		stage   api.Stage
		words   string
	}{
		"no such name":                {unnamed, passwords(), api.StageDNS, "station.invalid"},
		"nobody listens":              {deaf, passwords(), api.StageConnect, "refuses: nobody listens on port 9"},
		"an unknown user":             {stranger, passwords(), api.StageLogin, `does not take what user "stranger" signs`},
		"another password to encrypt": {to(s, "3", true), Secrets{Auth: receiver.AuthPassword, Privacy: "wrong-password"}, api.StageLogin, "does not take"},
		"another password":            {to(s, "3", true), Secrets{Auth: "wrong-password", Privacy: receiver.PrivacyPassword}, api.StageLogin, `does not take what user "spoolgate" signs`},
	} {
		_, err := send(t, c.config, c.secrets, 1, incident(api.Begin))
		var f *api.Failure
		if !errors.As(err, &f) || f.Stage != c.stage || !strings.Contains(f.What, c.words) || f.Do == "" || f.Lasting {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEngineIDIsTheHostName(t *testing.T) {
	if got := hex.EncodeToString(EngineID("spoolgate")); got != "80001f8804"+hex.EncodeToString([]byte("spoolgate")) {
		t.Errorf("%s", got)
	}
	if got := EngineID(strings.Repeat("a", 63)); len(got) != 32 {
		t.Errorf("%d bytes", len(got))
	}
}
