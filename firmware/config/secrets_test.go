package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"spoolgate/firmware/secret"
)

func newKey(t testing.TB) secret.Key {
	t.Helper()
	k, err := secret.MakeKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// opened is a configuration with its passwords opened.
func opened(t testing.TB, text []byte, key secret.Key) Config {
	t.Helper()
	c, err := Parse(text, Required())
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	open := func(s *Services) {
		password, err := key.Open(s.Password)
		if err != nil {
			t.Fatal(err)
		}
		s.Password = secret.Text(password)
	}
	for i := range c.Groups {
		open(&c.Groups[i].Services)
		for n := range c.Groups[i].Nodes {
			open(&c.Groups[i].Nodes[n].Services)
		}
	}
	c.Plain = nil // which of them were sealed
	return c
}

// Nobody has a password of blanks: who typed them meant to fill it in later. Also those
// that are encrypted already are told, where the key is at hand.
func TestSecretOfBlanksIsRefused(t *testing.T) {
	key := newKey(t)
	const group = "[[group]]\nvirtual_address = \"192.0.2.10\"\nnode = [{ address = \"192.0.2.11\" }]\n"
	for text, where := range map[string]string{
		"[group.services]\naccount = \"a\"\npassword = %s\n":                                                                          "group[1].services.password",
		"[report.mail]\nserver = \"192.0.2.25\"\nuser = \"a\"\npassword = %s\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n":   "report.mail.password",
		"[report.snmp]\nserver = \"192.0.2.9\"\ncommunity = %s\n":                                                                     "report.snmp.community",
		"[report.snmp]\nserver = \"192.0.2.9\"\nversion = \"3\"\nuser = \"u\"\nauth_password = %s\nprivacy_password = \"12345678\"\n": "report.snmp.auth_password",
		"[report.webhook]\nurl = \"https://hooks.example.com/x\"\nsecret = %s\n":                                                      "report.webhook.secret",
		"[report.webhook]\nurl = %s\n":   "report.webhook.url",
		"[report.metrics]\ntoken = %s\n": "report.metrics.token",
	} {
		blanks := " \t                    "
		for what, value := range map[string]string{"typed": blanks, "encrypted": string(key.Seal(blanks))} {
			_, err := Check(fmt.Appendf(nil, group+text, strconv.Quote(value)), Required(), key)
			var found Problems
			if !errors.As(err, &found) || len(found) != 1 || found[0].Key != where || found[0].What != "there are only blanks in it" || found[0].Do == "" {
				t.Errorf("%s, %s: %v", where, what, err)
			}
		}
		if _, err := Check(fmt.Appendf(nil, group+text, strconv.Quote(string(key.Seal(blanks)))), Required(), secret.Key{}); err != nil {
			t.Errorf("%s, without the key: %v", where, err)
		}
	}
}

func TestSealingHidesEveryPasswordAndChangesNothingElse(t *testing.T) {
	key := newKey(t)
	for name, text := range map[string]string{
		"tables":        watched + "[[group]]\nvirtual_address = \"192.0.2.20\"\n[group.services]\naccount = \"b\"\npassword = 'hidden-2' # the second\n[[group.node]]\naddress = \"192.0.2.21\"\n[group.node.services]\npassword = \"hidden-3\"\n",
		"inline":        "group = [{ virtual_address = \"192.0.2.10\", services = { account = \"a\", password = \"hidden-1\" }, node = [{ address = \"192.0.2.11\" }, { address = \"192.0.2.12\", services = {password=\"hidden-2\"} }] }]\n",
		"one group":     "[group]\nvirtual_address = \"192.0.2.10\"\nnode = { address = \"192.0.2.11\", services.password = \"hidden-2\" }\n[group.services]\naccount = \"a\"\npassword = \"hidden-1\"\n",
		"dotted":        "[[group]]\nvirtual_address = \"192.0.2.10\"\nservices . \"account\" = \"a\"\n'services' . password =   \"hidden-1\"   # why\nnode = [{ address = \"192.0.2.11\" }]\n",
		"several lines": strings.Replace(watched, `"Tr1cky # \" one"`, "\"\"\"\nhidden-1\nhidden-2\"\"\"", 1),
		"CR LF":         strings.ReplaceAll(watched, "\n", "\r\n"),
		"escapes":       strings.Replace(watched, "Tr1cky", `\u0048idden-1`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			sealed, err := Seal([]byte(text), Required(), key)
			if err != nil {
				t.Fatal(err)
			}
			for _, plain := range []string{"hidden", "Tr1cky", `\u0048`} {
				if bytes.Contains(sealed, []byte(plain)) {
					t.Errorf("a password is readable in\n%s", sealed)
				}
			}
			if got, want := opened(t, sealed, key), opened(t, []byte(text), key); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %#v\nwant %#v", got, want)
			}
			again, err := Seal(sealed, Required(), key)
			if err != nil || !bytes.Equal(again, sealed) {
				t.Errorf("sealed twice: %v\n%s", err, again)
			}
		})
	}
}

func TestPasswordsOfReportersAreSealedToo(t *testing.T) {
	text := smallest + `
[report.snmp]
server = "192.0.2.60"
community = "hidden-1"
[report.mail]
server = "192.0.2.61"
user = "a"
password = "hidden-2"
from = "a@b.example"
to = ["c@b.example"]
[report.webhook]
url = "https://hidden-3.example/"
secret = "hidden-4 of 16 letters"
[report.metrics]
token = "hidden-5 of 16 letters"
`
	c, err := Parse([]byte(text), Required())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"report.mail.password", "report.metrics.token", "report.snmp.community", "report.webhook.secret", "report.webhook.url"}; !slices.Equal(slices.Sorted(slices.Values(c.Plain)), want) {
		t.Errorf("told to be plain: %v", c.Plain)
	}
	sealed, err := Seal([]byte(text), Required(), newKey(t))
	if err != nil || bytes.Contains(sealed, []byte("hidden")) || bytes.Count(sealed, []byte("sealed-1:")) != 5 {
		t.Errorf("%v\n%s", err, sealed)
	}
	if c, err := Parse(sealed, Required()); err != nil || len(c.Plain) > 0 {
		t.Errorf("the sealed one: %v, told to be plain: %v", err, c.Plain)
	}
}

func TestPasswordOfAnotherBoxIsRefusedWhereTheKeyIsAtHand(t *testing.T) {
	own, other := newKey(t), newKey(t)
	sealed, err := Seal([]byte(watched), Required(), own)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key  secret.Key
		want string
	}{
		"its own":       {own, ""},
		"none":          {secret.Key{}, ""},
		"another box's": {other, "group[1].services.password: this password was encrypted by another box, or is damaged; "},
	} {
		_, err := Check(sealed, Required(), c.key)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Type it in again")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	short, err := Seal([]byte(smallest+"[report.metrics]\ntoken = \"short\"\n"), Required(), own)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(short, Required(), own); err == nil || !strings.Contains(err.Error(), "shorter than 16 characters") || strings.Contains(err.Error(), "short\"") {
		t.Errorf("a short one that was encrypted: %v", err)
	}
}

func TestSealingKeepsCommentsAndLayout(t *testing.T) {
	const text = "# mine\n" + smallest + "\n\t[group.services] # asked\naccount='a'\n  password =  %  # of a\n\n#end"
	sealed, err := Seal([]byte(strings.Replace(text, "%", "'P # w'", 1)), Required(), newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := regexp.MustCompile(`"sealed-1:[^"]+"`).ReplaceAllString(string(sealed), "%"); got != text {
		t.Errorf("got\n%s", got)
	}
}

func TestSealingLeavesAConfigurationWithoutPasswordsAsItIs(t *testing.T) {
	text := "# mine\n" + smallest + "\n\t# end"
	got, err := Seal([]byte(text), Required(), newKey(t))
	if err != nil || string(got) != text {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestKeptCopyHasNoPlainPasswordAndIsNotWrittenWithoutNeed(t *testing.T) {
	for name, key := range map[string]secret.Key{"with the key": newKey(t), "without": {}} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t)
			f.Key = key
			f.write(watched)
			if _, wrong := f.start(); wrong != nil {
				t.Fatal(wrong)
			}
			kept, err := os.ReadFile(f.Kept)
			if err != nil || bytes.Contains(kept, []byte("Tr1cky")) {
				t.Fatalf("%v\n%s", err, kept)
			}
			c, err := Parse(kept, Required())
			if err != nil {
				t.Fatal(err)
			}
			if password, err := key.Open(c.Groups[0].Services.Password); (err == nil) != !key.IsZero() || err == nil && password != `Tr1cky # " one` {
				t.Errorf("the copy's password is %q, %v", password, err)
			}
			f.start()
			if again, err := os.ReadFile(f.Kept); err != nil || !bytes.Equal(again, kept) {
				t.Error("the same was written again")
			}
			f.write(strings.Replace(watched, "Tr1cky", "Other", 1))
			f.start()
			if again, err := os.ReadFile(f.Kept); err != nil || bytes.Equal(again, kept) == !key.IsZero() {
				t.Errorf("after another password: %s", again)
			}
		})
	}
}

// FuzzSeal holds that a configuration that is right stays so, and hides its passwords.
func FuzzSeal(f *testing.F) {
	f.Add(watched)
	f.Add("[group]\nvirtual_address='192.0.2.10'\nnode={address='192.0.2.11'}\nservices={account='a',password='p'}")
	key := newKey(f)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse([]byte(text), Required()); err != nil {
			return
		}
		sealed, err := Seal([]byte(text), Required(), key)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := opened(t, sealed, key), opened(t, []byte(text), key); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %#v\nwant %#v", got, want)
		}
		c, _ := Parse(sealed, Required())
		for _, g := range c.Groups {
			if p := g.Services.Password; p != "" && !p.Sealed() {
				t.Fatal("not sealed")
			}
		}
	})
}

// A bundle is wanted when something is wrong, and that may be the configuration.
func TestConcealedConfigurationHasNoSecretHoweverItIsWritten(t *testing.T) {
	text := `
# the old one was hunter0
[[group]]
virtual_address = "192.0.2.10"
node = [{ address = "192.0.2.11", services.Password = "hunter1" }]
[group.services]
password = 12345678
passwort = "hunter2"
[report.snmp]
communities = ["hunter3"]
auth_password = 87654321
[report.webhook]
Url = "https://example.com/hunter4"
secret = "hunter5"
`
	got, err := Conceal([]byte(text), Required())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter", "12345678", "87654321"} {
		if strings.Contains(string(got), secret) {
			t.Errorf("%s stands in\n%s", secret, got)
		}
	}
	for _, plain := range []string{"192.0.2.10", "192.0.2.11", "passwort"} {
		if !strings.Contains(string(got), plain) {
			t.Errorf("%s does not stand in\n%s", plain, got)
		}
	}
	if _, err := Conceal([]byte("password = hunter6"), Required()); err == nil || strings.Contains(err.Error(), "hunter6") {
		t.Errorf("of what is no TOML: %v", err)
	}
}
