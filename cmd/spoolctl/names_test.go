package main

import (
	"net/netip"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

func whatIsNamed() api.Names {
	server := netip.MustParseAddr("198.18.0.53")
	return api.Names{Looked: now.Add(-time.Minute),
		Checks: []api.NameCheck{
			{Group: "print", Name: "print.example.com", Address: netip.MustParseAddr("198.18.0.10"), Since: now.Add(-time.Hour), Resolver: server.String(),
				Forward: []netip.Addr{netip.MustParseAddr("198.18.0.10")}, Reverse: []string{},
				ReverseWrong: "198.18.0.10 has no name, says 198.18.0.53: add a PTR record for 198.18.0.10 -> print.example.com"},
			{Group: "print", Node: "A", Address: netip.MustParseAddr("198.18.0.11"), Since: now.Add(-2 * time.Hour), Resolver: server.String(),
				Forward: []netip.Addr{}, Reverse: []string{}}},
		Servers: []api.NameServer{{Address: server}, {Address: netip.MustParseAddr("198.18.0.54"), Wrong: "has nothing that answers on port 53"}}}
}

func TestNamesAreShownWithWhoSaysSoAndWhatToDo(t *testing.T) {
	for words, want := range map[string]string{
		"": `Looked at 1m0s ago.
Name server 198.18.0.54 has nothing that answers on port 53.
WHAT     ADDRESS      NAME               NAME LEADS TO  ADDRESS IS NAMED  VERDICT  FOR     SAYS
print    198.18.0.10  print.example.com  198.18.0.10    -                 wrong    1h0m0s  198.18.0.53
print/A  198.18.0.11  -                  -              -                 no name  2h0m0s  198.18.0.53
print: 198.18.0.10 has no name, says 198.18.0.53: add a PTR record for 198.18.0.10 -> print.example.com.
`,
		"198.18.1.20": `WHAT  ADDRESS      NAME  NAME LEADS TO  ADDRESS IS NAMED   VERDICT  FOR  SAYS
MFD   198.18.1.20  -     198.18.1.20    mfd20.example.com  ok       -    198.18.0.53
`,
	} {
		args := []string{"names"}
		if words != "" {
			args = append(args, words)
		}
		if status, out, errs := new(balancer).ask(t, args...); status != 0 || out != want || errs != "" {
			t.Errorf("%s: exit %d, %s\n%s\nwant\n%s", words, status, errs, out, want)
		}
	}
}
