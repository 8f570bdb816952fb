package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// watched is the smallest file that has services watched.
const watched = smallest + "[group.services]\naccount = 'SITE\\spoolgate'\npassword = \"Tr1cky # \\\" one\"\n"

func TestServicesAreOffUnlessConfigured(t *testing.T) {
	c, err := Parse([]byte(smallest), Required())
	if err != nil || c.Groups[0].Services.Watched() || c.Groups[0].Nodes[0].Services.Watched() {
		t.Errorf("%+v %v", c.Groups, err)
	}
}

func TestAccountIsEnoughToWatchTheUsualThreeServices(t *testing.T) {
	c, err := Parse([]byte(watched), Required())
	if err != nil {
		t.Fatal(err)
	}
	want := Services{
		Account: `SITE\spoolgate`, Password: `Tr1cky # " one`, Names: []string{"YSoftSQ-SPOC", "YSoftSQ-SPOCGS", "YSoftSQ-TS"},
		Combine: All, Interval: 5 * time.Second, Timeout: 4 * time.Second, Misses: 3,
	}
	for _, got := range []Services{c.Groups[0].Services, c.Groups[0].Nodes[0].Services, c.Groups[0].Nodes[1].Services} {
		if !reflect.DeepEqual(got, want) || !got.Watched() {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

func TestNodeHasWhatItsGroupHasButForWhatItSays(t *testing.T) {
	c, err := Parse([]byte(`
[[group]]
virtual_address = "192.0.2.10"
[group.services]
account = "spoolgate@site.example"
password = "one"
names = ["Spooler"]
combine = "any"
interval = "10s"
[[group.node]]
address = "192.0.2.11"
[[group.node]]
address = "192.0.2.12"
[group.node.services]
account = "local"
password = "two"
names = ["Spooler", "Other"]
[[group.node]]
address = "192.0.2.13"
services = { names = [] }
[[group.node]]
address = "192.0.2.14"
services.password = "four"
`), Required())
	if err != nil {
		t.Fatal(err)
	}
	n := c.Groups[0].Nodes
	if s := n[0].Services; !reflect.DeepEqual(s, c.Groups[0].Services) {
		t.Errorf("%+v", s)
	}
	if s := n[1].Services; s.Account != "local" || s.Password != "two" || len(s.Names) != 2 || s.Combine != Any || s.Interval != 10*time.Second {
		t.Errorf("%+v", s)
	}
	if n[2].Services.Watched() {
		t.Errorf("%+v", n[2].Services)
	}
	if s := n[3].Services; s.Account != "spoolgate@site.example" || s.Password != "four" {
		t.Errorf("%+v", s)
	}
}

func TestEveryRefusalOfServicesSaysWhatToDo(t *testing.T) {
	tests := []struct{ name, lines, want string }{
		{"no account", "combine = \"any\"", `group[1].services.account: the account is missing; Windows tells`},
		{"no password", "account = \"a\"", `group[1].services.password: the password is missing; Windows tells the states of its services to accounts only. Add the password of the account`},
		{"slash in the account", "account = \"SITE/a\"\npassword = \"x\"", `"SITE/a" is no account of Windows; an account is written with its domain`},
		{"no user in the account", `account = 'SITE\'` + "\npassword = \"x\"", `is no account of Windows`},
		{"number as password", "account = \"a\"\npassword = 12345", `group[1].services.password: this is a whole number, and a text is wanted`},
		{"no names", "account = \"a\"\npassword = \"x\"\nnames = []", `group[1].services.names: no service is watched; the requirement says`},
		{"path as name", "account = \"a\"\npassword = \"x\"\nnames = ['C:\\x']", `group[1].services.names[1]: "C:\\x" can't be the name of a service`},
		{"name twice", "account = \"a\"\npassword = \"x\"\nnames = [\"A\", \"a\"]", `group[1].services.names[2]: "a" stands here twice`},
		{"combine", "account = \"a\"\npassword = \"x\"\ncombine = \"or\"", `"or" is no way to combine services with ports; the requirement says "AND/OR"`},
		{"timeout", "account = \"a\"\npassword = \"x\"\ntimeout = \"5s\"", `the timeout of 5s is not shorter than the interval of 5s`},
		{"misspelt", "acount = \"a\"", `group[1].services.acount: there is no such key`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(smallest+"[group.services]\n"+tt.lines+"\n"), Required())
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "12345") {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}
