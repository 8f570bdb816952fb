package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spoolgate/firmware/secret"
)

// unpack returns the files of a bundle.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "spoolgate/")] = string(text)
	}
}

func TestSupportBundleHasAllThatIsKnownAndNoPassword(t *testing.T) {
	key, err := secret.MakeKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	to, file := filepath.Join(dir, "config.toml"), filepath.Join(dir, "bundle.tar.gz")
	sealed := string(key.Seal("hunter2"))
	config := rightConfig + "[group.services]\naccount = \"spoolgate\"\npassword = \"" + sealed + "\"\nnames = [\"TS\"]\n" +
		"[report.webhook]\nurl = \"https://example.com/hook\"\nsecret = \"correct horse battery\"\n"
	if err := os.WriteFile(to, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := new(balancer).ask(t, "support", file, "-to", to, "-netd", filepath.Join(dir, "none"))
	if status != exitOK || !strings.Contains(out, "send it with the report") || !strings.Contains(out, "[report-list.txt report-list.json network.json") {
		t.Errorf("exit %d, %s%s", status, out, errs)
	}
	files := unpack(t, file)
	for name, part := range map[string]string{
		"config.toml": "virtual_address = '192.0.2.10'", "status.txt": "No spare", "status.json": "\"hostname\"", "incidents.txt": "Node B of group print is Down",
		"events.json": "first", "proof.txt": "pass: 1; fail: 1", "who.txt": "198.18.1.20", "probes-print-B.txt": "host unreachable", "flights-print-B.json": "\"repeats\"",
		"flights-print-B.pcap": "packets of B", "version.txt": "spoolgate", "network.json": "Is netd running?",
	} {
		if !strings.Contains(files[name], part) {
			t.Errorf("%s has no %q:\n%s", name, part, files[name])
		}
	}
	for name, text := range files {
		for _, password := range []string{"hunter2", sealed, "correct horse"} {
			if strings.Contains(text, password) {
				t.Errorf("%s has a password", name)
			}
		}
	}
	if i, err := os.Stat(file); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others may read it", i, err)
	}
	if status, _, errs := new(balancer).ask(t, "support", file); status != exitFailed || !strings.Contains(errs, "is there already") {
		t.Errorf("over another file: exit %d, %s", status, errs)
	}
}

// The bundle is wanted most when the balancer does not answer.
func TestSupportBundleSaysWhatCouldNotBeHad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	status, out, errs := new(balancer).ask(t, "support", file, "-socket", filepath.Join(t.TempDir(), "none"), "-to", filepath.Join(t.TempDir(), "none"))
	if status != exitOK || !strings.Contains(out, "status.txt") {
		t.Errorf("exit %d, %s%s", status, out, errs)
	}
	files := unpack(t, file)
	if !strings.Contains(files["status.txt"], "Is balancerd running?") || !strings.Contains(files["config.toml"], "no such file") {
		t.Errorf("status: %q, configuration: %q", files["status.txt"], files["config.toml"])
	}
}
