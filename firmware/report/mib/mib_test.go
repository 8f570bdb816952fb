package mib

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// translate has NET-SNMP read the module. Its folder is there before: what it makes it
// announces among its complaints, once on each machine.
func translate(t *testing.T, args ...string) string {
	t.Helper()
	kept := t.TempDir()
	if err := os.Mkdir(filepath.Join(kept, "cert_indexes"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("snmptranslate", append([]string{"-M", "testdata/base:.", "-m", "SPOOLGATE-MIB"}, args...)...)
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+kept)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("snmptranslate %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestModuleIsReadWithoutAComplaint(t *testing.T) {
	out := translate(t, "-Pu", "-Tp", Root)
	if strings.Contains(out, ":") && !strings.HasPrefix(out, "+--spoolgate(5555)") {
		t.Errorf("the tree:\n%s", out)
	}
	for _, bad := range []string{"Cannot", "Undefined", "Warning", "Bad", "Did not"} {
		if strings.Contains(out, bad) {
			t.Errorf("NET-SNMP complains:\n%s", out)
		}
	}
	if got := translate(t, "-Td", Clear); !strings.Contains(got, "spoolgateIncidentTitle") || !strings.Contains(got, "An incident is over.") {
		t.Errorf("a notification:\n%s", got)
	}
}

// The numbers that programs send and those of the module are the same ones.
func TestEveryNumberIsNamedInTheModule(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "mib.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		sum, ok := v.Values[0].(*ast.BinaryExpr)
		if !ok || v.Names[0].Name == "Root" {
			return true
		}
		tail, err := strconv.Unquote(sum.Y.(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		name := v.Names[0].Name
		named := strings.ToLower(strings.TrimSuffix(translate(t, Root+tail), ".0"))
		switch {
		case strings.HasPrefix(tail, ".0.5"), strings.HasPrefix(tail, ".0.6"):
			name += "Notification"
		case strings.HasPrefix(tail, ".0."):
			name = "Incident" + name
		}
		if want := "spoolgate-mib::spoolgate" + strings.ToLower(name); named != want {
			t.Errorf("%s%s is %s, want %s", Root, tail, named, want)
		}
		seen++
		return true
	})
	if seen != 25 {
		t.Errorf("%d numbers were compared", seen)
	}
}
