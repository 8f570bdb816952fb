package house

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "spoolgate"

// list is what go list says of the module's packages, tests left out.
func list(t *testing.T, patterns ...string) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Imports,Deps"}, patterns...)...)
	cmd.Dir = root(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]pkg{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/") {
			all[strings.TrimPrefix(p.ImportPath, module+"/")] = p
		}
	}
}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// allowed says which floors of the house a floor may import.
var allowed = map[string][]string{
	"board":     nil,
	"hal":       {"board"},
	"firmware":  {"firmware", "hal", "board"},
	"web":       {"firmware"},
	"cmd":       {"web", "firmware", "hal", "board"},
	"initramfs": {"board"},
	"tools":     {"tools", "initramfs", "firmware", "hal", "board"},
}

func floor(path string) string { return strings.SplitN(path, "/", 2)[0] }

func TestImportsGoOneWay(t *testing.T) {
	packages := list(t, "./...")
	if len(packages) < 10 {
		t.Fatalf("only %d packages were found", len(packages))
	}
	for path, p := range packages {
		may, known := allowed[floor(path)]
		if !known {
			t.Errorf("%s is on no floor of the house", path)
		}
		for _, i := range p.Imports {
			if to, ours := strings.CutPrefix(i, module+"/"); ours && !slices.Contains(may, floor(to)) {
				t.Errorf("%s imports %s, and %s may import %v", path, to, floor(path), may)
			}
		}
	}
}

// The rules of the requirement, its proof, and what makes incidents, are pure: they
// can't read a file or a socket.
func TestRulesReadNothing(t *testing.T) {
	pure := []string{"firmware/balance", "firmware/engine/proof", "firmware/event/incident", "firmware/overload"}
	packages := list(t, "./firmware/...")
	for _, path := range pure {
		p, ok := packages[path]
		if !ok {
			t.Errorf("there is no %s", path)
		}
		for _, forbidden := range []string{"os", "io/fs", "net", "net/http", "os/exec", "syscall", "golang.org/x/sys/unix"} {
			if slices.Contains(p.Imports, forbidden) {
				t.Errorf("%s imports %s", path, forbidden)
			}
		}
	}
}

// What PID 1 links can take the box down.
func TestInitSpeaksNoHTTP(t *testing.T) {
	p, ok := list(t, "./cmd/init")["cmd/init"]
	if !ok {
		t.Fatal("there is no init")
	}
	for _, forbidden := range []string{"net/http", "crypto/tls", "os/exec"} {
		if slices.Contains(p.Deps, forbidden) {
			t.Errorf("init links %s", forbidden)
		}
	}
}

// No box can be given the lab's short windows.
func TestImageHasNothingOfTheLab(t *testing.T) {
	for path := range list(t, "./cmd/...") {
		if floor(path) == "tools" {
			t.Errorf("a program of the image links %s", path)
		}
	}
}

func tracked(t *testing.T, patterns ...string) []string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"ls-files", "--"}, patterns...)...)
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	if len(files) == 0 {
		t.Fatalf("git tracks no %v", patterns)
	}
	return files
}

func TestTopLevelIsTheCustomers(t *testing.T) {
	want := strings.Fields("board cmd firmware hal initramfs web tools go.mod go.sum Makefile README.md")
	for _, f := range tracked(t, ".") {
		if top := floor(f); !strings.HasPrefix(top, ".") && !slices.Contains(want, top) {
			t.Errorf("%s stands outside the customer's top level", f)
		}
	}
}

func TestMainIsShort(t *testing.T) {
	for _, f := range tracked(t, "cmd/*/main.go") {
		text, err := os.ReadFile(filepath.Join(root(t), f))
		if err != nil {
			t.Fatal(err)
		}
		_, body, found := strings.Cut(string(text), "func main() {")
		if !found {
			t.Errorf("%s has no main", f)
			continue
		}
		if lines := strings.Count(strings.TrimSpace(body), "\n"); lines > 15 {
			t.Errorf("%s: main has %d lines", f, lines)
		}
	}
}

func TestNoTestIsSkippedAndNothingIsLeftOpen(t *testing.T) {
	skip := regexp.MustCompile(`\b[tbf]\.Skip(f|Now)?\(`)
	left := regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)
	for _, f := range tracked(t, "*.go") {
		if strings.HasPrefix(f, "tools/house/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root(t), f))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f, "_test.go") && skip.Match(text) {
			t.Errorf("%s skips a test: what it needs is installed by tools/deps.sh, or is a failure", f)
		}
		if left.Match(text) {
			t.Errorf("%s leaves something open", f)
		}
	}
}
