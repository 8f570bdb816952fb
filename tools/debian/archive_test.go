package debian

import (
	"os"
	"path/filepath"
	"testing"
)

// Whichever form a machine's sources have, packages come from where its own come from.
func TestMirrorIsTheMachinesOwn(t *testing.T) {
	for name, c := range map[string]struct{ sources, want string }{
		"a line":              {"deb http://mirror/debian bookworm main\n", "http://mirror/debian"},
		"a line with options": {"# deb http://no/debian x main\ndeb [ arch=amd64 trusted=no signed-by=/a.gpg ] http://mirror/debian bookworm main\n", "http://mirror/debian"},
		"a stanza":            {"Types: deb\nURIs: http://mirror/debian\nSuites: bookworm\n", "http://mirror/debian"},
		"none":                {"# nothing\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "sources.list")
			if err := os.WriteFile(file, []byte(c.sources), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := mirror(filepath.Join(dir, "debian.sources"), file)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}
