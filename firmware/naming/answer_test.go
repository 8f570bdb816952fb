package naming

import (
	"bytes"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// ofBytes is a message that no library would write.
func ofBytes(t *testing.T, q *dns.Msg, change func([]byte) []byte) []byte {
	t.Helper()
	packet, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return change(packet)
}

func TestWhatIsNoQuestionIsRefusedShortlyOrNotAnsweredAtAll(t *testing.T) {
	same := func(b []byte) []byte { return b }
	q := question("print.example.com.", dns.TypeA)
	answer, notify, update, two, none, stuffed, opts, version := q.Copy(), q.Copy(), q.Copy(), q.Copy(), q.Copy(), q.Copy(), q.Copy(), q.Copy()
	answer.Response = true
	notify.Opcode, update.Opcode = dns.OpcodeNotify, dns.OpcodeUpdate
	two.Question = append(two.Question, two.Question[0])
	none.Question = nil
	stuffed.Answer = []dns.RR{&dns.A{Hdr: zone().header("print.example.com.", dns.TypeA), A: vip.AsSlice()}}
	opts.SetEdns0(1232, false).SetEdns0(1232, false)
	version.SetEdns0(1232, false).IsEdns0().SetVersion(1)
	chaos := question("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	for name, tt := range map[string]struct {
		q      *dns.Msg
		change func([]byte) []byte
		rcode  int // -1: no answer
	}{
		"an answer":               {answer, same, -1},
		"an answer that is cut":   {answer, func(b []byte) []byte { return b[:len(b)-3] }, -1},
		"less than a header":      {q, func(b []byte) []byte { return b[:11] }, -1},
		"nothing":                 {q, func(b []byte) []byte { return nil }, -1},
		"a header alone":          {q, func(b []byte) []byte { return b[:12] }, dns.RcodeFormatError},
		"a question that is cut":  {q, func(b []byte) []byte { return b[:len(b)-3] }, dns.RcodeFormatError},
		"a label beyond the end":  {q, func(b []byte) []byte { b[12] = 60; return b }, dns.RcodeFormatError},
		"a name that leads to it": {q, func(b []byte) []byte { b[12], b[13] = 0xc0, 12; return b }, dns.RcodeFormatError},
		"no question":             {none, same, dns.RcodeFormatError},
		"two questions":           {two, same, dns.RcodeFormatError},
		"with its answer":         {stuffed, same, dns.RcodeFormatError},
		"two OPT records":         {opts, same, dns.RcodeFormatError},
		"another EDNS":            {version, same, dns.RcodeBadVers},
		"a notification":          {notify, same, dns.RcodeNotImplemented},
		"an update":               {update, same, dns.RcodeNotImplemented},
		"for the version":         {chaos, same, dns.RcodeRefused},
	} {
		packet := ofBytes(t, tt.q, tt.change)
		reply, contact := zone().answer(request{packet: packet, asker: asker, at: box})
		if contact.Client.IsValid() {
			t.Errorf("%s counts as contact", name)
		}
		if tt.rcode == -1 {
			if reply != nil {
				t.Errorf("%s is answered: %x", name, reply)
			}
			continue
		}
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil || m.Rcode != tt.rcode || m.Id != tt.q.Id || !m.Response || len(reply) > len(packet)+11 {
			t.Errorf("%s: %v %v, %d bytes for %d", name, err, m, len(reply), len(packet))
		}
	}
}

func TestWhoAsksTooMuchIsSentToTCPWithNoMoreThanItSent(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	r := NewResponder(slog.New(slog.NewTextHandler(io.Discard, nil)), func() time.Time { return now })
	r.Set(*zone())
	packet := ofBytes(t, question("print.example.com.", dns.TypeA), func(b []byte) []byte { return b })
	whole, cut, silent := 0, 0, 0
	for range burst + 100 {
		m := new(dns.Msg)
		switch reply := r.respond(request{packet: packet, asker: asker, at: box}); {
		case reply == nil:
			silent++
		case m.Unpack(reply) != nil || len(reply) > len(packet) && m.Truncated:
			t.Fatalf("%d bytes for %d: %v", len(reply), len(packet), m)
		case m.Truncated:
			cut++
		default:
			whole++
		}
	}
	if whole != burst || cut != 50 || silent != 50 {
		t.Errorf("%d answered, %d sent to TCP, %d not answered", whole, cut, silent)
	}
	if reply := r.respond(request{packet: packet, asker: asker, at: box, stream: true}); reply != nil {
		t.Error("over TCP there is no limit")
	}
	if c := r.Contacts(); len(c) != 1 || c[0] != (Contact{vip, asker}) {
		t.Errorf("contacts %v", c)
	}
}

// What is missing here stands for a mistake in this code or in the library's.
func TestPanicIsTheQuestionsEndAndToldOnceAMinute(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	log := new(bytes.Buffer)
	r := NewResponder(slog.New(slog.NewTextHandler(log, nil)), func() time.Time { return now })
	r.budgets = nil
	for _, later := range []time.Duration{0, time.Second, time.Minute} {
		now = now.Add(later)
		if reply := r.respond(request{packet: []byte("whatever it is"), asker: asker, at: box}); reply != nil {
			t.Errorf("answered %x", reply)
		}
	}
	if told := strings.Count(log.String(), "could not be answered"); told != 2 {
		t.Errorf("told %d times:\n%s", told, log)
	}
	r.budgets = newBudgets()
	r.Set(*zone())
	if r.respond(request{packet: ofBytes(t, question("print.example.com.", dns.TypeA), func(b []byte) []byte { return b }), asker: asker, at: box}) == nil {
		t.Error("no answer after a panic")
	}
}

// Whatever comes in, what goes out is an answer to it, small, and about its own names.
func FuzzNoMessageBreaksTheAnswer(f *testing.F) {
	for _, name := range []string{"print.example.com.", "example.org.", "10.0.18.198.in-addr.arpa."} {
		q := question(name, dns.TypeA).SetEdns0(1232, true)
		q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 32, Address: asker.AsSlice()}}
		packet, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet, false)
		f.Add(packet[:len(packet)-7], true)
	}
	f.Fuzz(func(t *testing.T, packet []byte, stream bool) {
		reply, contact := zone().answer(request{packet: packet, asker: ofSite, at: box, stream: stream})
		if reply == nil {
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil || !m.Response || m.RecursionAvailable || reply[0] != packet[0] || reply[1] != packet[1] {
			t.Fatalf("%x: %v %v", reply, err, m)
		}
		if !stream && len(reply) > udpSize || len(reply) > len(packet)+400 {
			t.Fatalf("%d bytes for %d", len(reply), len(packet))
		}
		if contact.Client.IsValid() && (m.Rcode != dns.RcodeSuccess || contact.VirtualAddress != vip && contact.VirtualAddress != netip.MustParseAddr("198.18.0.20")) {
			t.Fatalf("contact %v of %v", contact, m)
		}
	})
}
