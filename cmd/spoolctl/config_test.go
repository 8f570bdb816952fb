package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spoolgate/firmware/config"
	"spoolgate/firmware/secret"
)

const rightConfig = "[[group]]\nvirtual_address = \"192.0.2.10\"\nnode = [{ address = \"192.0.2.11\" }]\n"

func TestApplyPutsARightConfigurationInPlaceAndKeepsTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	file, to := filepath.Join(dir, "new.toml"), filepath.Join(dir, "config.toml")
	apply := func(text string) (int, string, string, []string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		b := &balancer{}
		netd := b.listen(t)
		status, out, errs := b.ask(t, "config", "apply", file, "-to", to, "-netd", netd, "-reportd", netd)
		return status, out, errs, b.asked
	}
	content := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}

	status, out, errs, asked := apply(rightConfig)
	if status != exitOK || out != "done as asked; done as asked.\n" || content(to) != rightConfig {
		t.Errorf("exit %d, %s%s; in place: %s", status, out, errs, content(to))
	}
	if len(asked) != 3 || asked[0] != "POST /v1/reload " || asked[1] != asked[0] || asked[2] != asked[0] {
		t.Errorf("netd, balancerd and reportd were asked %q", asked)
	}
	second := rightConfig + "affinity = \"1h\"\n"
	if status, _, errs, _ := apply(second); status != exitOK || content(to) != second || content(to+".previous") != rightConfig {
		t.Errorf("exit %d, %s; kept: %s", status, errs, content(to+".previous"))
	}
	if status, _, errs, asked := apply(second); status != exitOK || content(to) != second || content(to+".previous") != rightConfig || len(asked) != 3 {
		t.Errorf("the same again: exit %d, %s, asked %q; kept: %s", status, errs, asked, content(to+".previous"))
	}
	status, out, errs, asked = apply(rightConfig + "affinity = \"1m\"\n")
	if status != exitFailed || !strings.Contains(out, "minimum of 30 minutes") || !strings.Contains(errs, "1 problem") || len(asked) != 0 {
		t.Errorf("a wrong one: exit %d, %s%s, asked %v", status, out, errs, asked)
	}
	if content(to) != second {
		t.Errorf("a wrong one is in place: %s", content(to))
	}
}

func TestApplyNamesTheDaemonThatIsSilentAndHasTheOthersFollow(t *testing.T) {
	dir := t.TempDir()
	file, to := filepath.Join(dir, "new.toml"), filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(rightConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	nobody := filepath.Join(dir, "nobody")
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"netd":      {[]string{"-netd", nobody}, "is in place, and the network does not follow it: "},
		"balancerd": {[]string{"-socket", nobody}, "is in place, and the balancer does not follow it: "},
		"reportd":   {[]string{"-reportd", nobody}, "is in place, and the reporters do not follow it: "},
	} {
		there := &balancer{}
		args := append([]string{"config", "apply", file, "-to", to, "-netd", there.listen(t), "-reportd", there.listen(t)}, tt.args...)
		status, _, errs := there.ask(t, args...)
		if status != exitFailed || !strings.Contains(errs, tt.want) || strings.Count(errs, "Is "+name+" running? ") != 1 || strings.Count(errs, " running? ") != 1 {
			t.Errorf("without %s: exit %d, %s", name, status, errs)
		}
		if len(there.asked) != 2 || there.asked[0] != "POST /v1/reload " || there.asked[1] != there.asked[0] {
			t.Errorf("without %s the others were asked %q", name, there.asked)
		}
		if text, err := os.ReadFile(to); err != nil || string(text) != rightConfig {
			t.Errorf("without %s: in place is %s (%v)", name, text, err)
		}
	}
}

func TestApplyEncryptsPasswordsHereAndInTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	file, to, key := filepath.Join(dir, "new.toml"), filepath.Join(dir, "config.toml"), filepath.Join(dir, "box.key")
	with := func(password string) string {
		return rightConfig + "[group.services]\naccount = \"a\"\npassword = \"" + password + "\" # of a\n"
	}
	apply := func(text string) (int, string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b := &balancer{}
		args := []string{"config", "apply", file, "-to", to, "-netd", b.listen(t), "-reportd", b.listen(t)}
		if _, err := os.Stat(key); err == nil {
			args = append(args, "-key", key)
		}
		status, _, errs := b.ask(t, args...)
		return status, errs
	}
	if status, errs := apply(rightConfig); status != exitOK {
		t.Errorf("without passwords no key is needed: exit %d, %s", status, errs)
	}
	if status, errs := apply(with("hidden-1")); status != exitFailed || !strings.Contains(errs, "the key to encrypt them with, is not there") || strings.Contains(errs, "hidden") {
		t.Errorf("without a key: exit %d, %s", status, errs)
	}
	k, err := secret.MakeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	// What a person wrote there by hand.
	if err := os.WriteFile(to, []byte(with("hidden-0")), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, errs := apply(with("hidden-1")); status != exitOK {
		t.Fatalf("exit %d, %s", status, errs)
	}
	for path, want := range map[string]string{to: "hidden-1", to + ".previous": "hidden-0"} {
		text, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(text), "hidden") || !strings.Contains(string(text), "# of a") {
			t.Fatalf("%v\n%s", err, text)
		}
		c, err := config.Parse(text, config.Required())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Open(c.Groups[0].Services.Password); err != nil || got != want {
			t.Errorf("%s has %q, %v", path, got, err)
		}
	}
	// The same once more keeps the one before, though it would be sealed in another way.
	before, err := os.ReadFile(to + ".previous")
	if err != nil {
		t.Fatal(err)
	}
	if status, errs := apply(with("hidden-1")); status != exitOK {
		t.Fatalf("exit %d, %s", status, errs)
	}
	if after, err := os.ReadFile(to + ".previous"); err != nil || string(after) != string(before) {
		t.Errorf("applied twice, and the one before is gone: %v\n%s", err, after)
	}
}

func TestApplyLeavesOutTheDaemonsThatAMachineDoesNotRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new.toml")
	if err := os.WriteFile(file, []byte(rightConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	b := &balancer{}
	status, out, errs := b.ask(t, "config", "apply", file, "-to", file, "-netd", "", "-reportd", "")
	if status != exitOK || out != "done as asked.\n" || len(b.asked) != 1 {
		t.Errorf("exit %d, %s%s; asked %q", status, out, errs, b.asked)
	}
}

func TestPasswordThatThisBoxDidNotEncryptIsRefused(t *testing.T) {
	dir := t.TempDir()
	file, to, own, other := filepath.Join(dir, "new.toml"), filepath.Join(dir, "config.toml"), filepath.Join(dir, "own.key"), filepath.Join(dir, "other.key")
	if _, err := secret.MakeKey(own); err != nil {
		t.Fatal(err)
	}
	k, err := secret.MakeKey(other)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		password, key, want string
	}{
		{"sealed-1:garbage", "", "this is no encrypted password"},
		{"sealed-1:garbage", own, "this is no encrypted password"},
		{string(k.Seal("hidden")), own, "this password was encrypted by another box, or is damaged"},
		{string(k.Seal("hidden")), other, ""},
		{string(k.Seal("hidden")), "", ""},
	} {
		if err := os.WriteFile(file, []byte(rightConfig+"[group.services]\naccount = \"a\"\npassword = \""+c.password+"\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		want := map[bool]int{true: exitOK, false: exitFailed}[c.want == ""]
		for _, args := range [][]string{{"check", file}, {"apply", file, "-to", to, "-netd", "", "-reportd", ""}} {
			if c.key != "" {
				args = append(args, "-key", c.key)
			}
			if c.want == "" && args[0] == "apply" {
				continue
			}
			b := &balancer{}
			status, out, errs := b.ask(t, append([]string{"config"}, args...)...)
			if status != want || !strings.Contains(out, c.want) || strings.Contains(out, c.password) || len(b.asked) > 0 {
				t.Errorf("%s: exit %d, %s%s, want %q; asked %q", args[0], status, out, errs, c.want, b.asked)
			}
			if _, err := os.Stat(to); err == nil {
				t.Error("it is in place")
			}
		}
	}
}

// A key that was named and is none would leave passwords unchecked, and nobody knew.
func TestKeyThatWasNamedAndCannotBeUsedIsRefused(t *testing.T) {
	dir := t.TempDir()
	file, to := filepath.Join(dir, "new.toml"), filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(rightConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, why := range map[string]string{filepath.Join(dir, "none"): "there is no such file", file: "it is no key of a box", dir: "is a directory"} {
		for _, args := range [][]string{{"check", file, "-key", key}, {"apply", file, "-key", key, "-to", to, "-netd", "", "-reportd", ""}} {
			b := &balancer{}
			status, out, errs := b.ask(t, append([]string{"config"}, args...)...)
			if status != exitFailed || out != "" || !strings.Contains(errs, key+" can't be used as the key of the box: ") || !strings.Contains(errs, why) || !strings.Contains(errs, "leave -key out") || len(b.asked) > 0 {
				t.Errorf("%s with %s: exit %d, %s%s; asked %q", args[0], key, status, out, errs, b.asked)
			}
			if _, err := os.Stat(to); err == nil {
				t.Error("it is in place")
			}
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != rightConfig {
		t.Errorf("a file that is no key was changed to %q (%v)", text, err)
	}
	b := &balancer{}
	if status, _, errs := b.ask(t, "config", "check", file, "-key", secret.DefaultPath); status != exitFailed || !strings.Contains(errs, "there is no such file") {
		t.Errorf("the usual one, named: exit %d, %s", status, errs)
	}
}
