package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/config"
)

func TestOrdersReachTheBalancer(t *testing.T) {
	for words, want := range map[string]string{
		"drain print/A gently":           `POST /v1/groups/print/nodes/A/drain {"verb":"gently"}`,
		"-force drain b stop":            `POST /v1/groups/print/nodes/B/drain {"verb":"stop","force":true}`,
		"drain B move -force":            `POST /v1/groups/print/nodes/B/drain {"verb":"move","force":true}`,
		"return B":                       "POST /v1/groups/print/nodes/B/return ",
		"move 198.18.1.20 B":             `POST /v1/groups/print/clients/198.18.1.20/move {"node":"B"}`,
		"move 198.18.1.20 print/B":       `POST /v1/groups/print/clients/198.18.1.20/move {"node":"B"}`,
		"forget 198.18.1.20":             "DELETE /v1/groups/print/clients/198.18.1.20 ",
		"forget 198.18.1.21 -group=scan": "DELETE /v1/groups/scan/clients/198.18.1.21 ",
	} {
		b := &balancer{}
		status, out, errs := b.ask(t, strings.Fields(words)...)
		if status != exitOK || out != "done as asked.\n" || strings.Join(b.asked, "\n") != want {
			t.Errorf("%s: exit %d, %s%s asked %q, want %q", words, status, out, errs, b.asked, want)
		}
	}
}

func TestWrongWordsGetAClearError(t *testing.T) {
	for words, want := range map[string]struct {
		status int
		text   string
	}{
		"stauts":                  {exitUsage, `there is no command "stauts". The commands are status, who,`},
		"drain B":                 {exitUsage, "wrong number of arguments. Use: spoolctl drain NODE gently|move|stop [-force]\n"},
		"events 5":                {exitUsage, "Use: spoolctl events [-follow]\n"},
		"mfd nonsense":            {exitUsage, `"nonsense" is no address of an MFD`},
		"who 1.2.3":               {exitUsage, "that is no address, no network and no node"},
		"who Z":                   {exitFailed, "that is no address, no network and no node"},
		"drain B softly":          {exitUsage, `"softly" is no way to drain. Use gently, move or stop`},
		"status -force":           {exitUsage, "status has no -force"},
		"config":                  {exitUsage, `"config" is not the whole command. Use config check or config apply`},
		"config chek /nowhere":    {exitUsage, `"config" is not the whole command. Use config check or config apply`},
		"probes /A":               {exitUsage, `"/A" is no node. Write it like A, or like print/A with the name of its group`},
		"drain print/ stop":       {exitUsage, `"print/" is no node. Write it like A`},
		"return print/..":         {exitUsage, `"print/.." is no node. Write it like A`},
		"move 198.18.1.20 /B":     {exitUsage, `"/B" is no node. Write it like A`},
		"status -verbose":         {exitUsage, "-verbose"},
		"probes Z":                {exitFailed, `there is no node "Z". The nodes are print/A, print/B, scan/A`},
		"probes A":                {exitFailed, `"A" is a node of several groups. Say which: print/A, scan/A`},
		"forget printer":          {exitUsage, `"printer" is no address of an MFD. Write it like 192.0.2.77`},
		"forget 198.18.1.99":      {exitFailed, "198.18.1.99 is not bound; it gets a node at its next connection"},
		"mfd 198.18.0.10":         {exitFailed, "198.18.0.10 is the virtual address of group print, not an MFD. Ask for the address of an MFD"},
		"forget 198.18.1.21":      {exitFailed, "198.18.1.21 is bound in several groups. Say which with -group NAME"},
		"move 198.18.1.20 scan/A": {exitFailed, "198.18.1.20 is bound in group print, and scan/A is in another"},
		"drain B stop":            {exitFailed, "or ask for it by force (spoolctl drain B stop -force)"},
		"config check /nowhere":   {exitFailed, "/nowhere: no such file"},
	} {
		b := &balancer{}
		status, out, errs := b.ask(t, strings.Fields(words)...)
		if status != want.status || !strings.Contains(errs, want.text) || out != "" {
			t.Errorf("%s: exit %d, %s%s", words, status, out, errs)
		}
	}
}

func TestBalancerThatIsNotThereIsNamed(t *testing.T) {
	var out, errs bytes.Buffer
	status := run(t.Context(), []string{"status", "-socket", "/nowhere/sock"}, time.Now, &out, &errs)
	if status != exitFailed || !strings.Contains(errs.String(), "/nowhere/sock does not answer") || !strings.Contains(errs.String(), "Is balancerd running?") {
		t.Errorf("exit %d: %s", status, errs.String())
	}
}

func TestProgramsThatAskForJSONGetFailuresAsJSON(t *testing.T) {
	for words, want := range map[string]struct {
		status int
		text   string
	}{
		"-json stauts":         {exitUsage, `there is no command "stauts"`},
		"-json status -vorbse": {exitUsage, "-vorbse"},
		"status -vorbse -json": {exitUsage, "-vorbse"},
		"probes Z -json":       {exitFailed, `there is no node "Z"`},
		"-json drain B stop":   {exitFailed, "or ask for it by force"},
	} {
		b := &balancer{}
		status, out, errs := b.ask(t, strings.Fields(words)...)
		var got struct{ Error string }
		if err := json.Unmarshal([]byte(out), &got); err != nil || status != want.status || !strings.Contains(got.Error, want.text) || errs != "" {
			t.Errorf("%s: exit %d, %s%s (%v)", words, status, out, errs, err)
		}
	}
}

func TestHelpNamesEveryCommand(t *testing.T) {
	var out bytes.Buffer
	usage(&out)
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSuffix(line, "\n"); strings.TrimRight(line, " ") != line || strings.Contains(strings.TrimLeft(line, " "), "  [") || len(line) > consoleWidth {
			t.Errorf("a line of the help has blanks too many, or is too long: %q", line)
		}
	}
	for _, flagAndValue := range []string{"[-group NAME]", "[-to FILE]", "[-netd PATH]", "[-force]"} {
		if !strings.Contains(out.String(), flagAndValue) {
			t.Errorf("the help lacks %s", flagAndValue)
		}
	}
	for _, args := range [][]string{nil, {"help"}, {"-h"}, {"-help"}} {
		var out, errs bytes.Buffer
		if status := run(t.Context(), args, time.Now, &out, &errs); status != exitOK || errs.Len() > 0 {
			t.Errorf("%v: exit %d, %s", args, status, errs.String())
		}
		for _, c := range commands() {
			if !strings.Contains(out.String(), "  "+c.name) {
				t.Errorf("%v: the help lacks %s", args, c.name)
			}
		}
	}
}

func TestConfigCheckSaysEverythingThatIsWrong(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	right := file("[[group]]\nvirtual_address = \"198.18.0.10\"\nnode = [{ address = \"198.18.0.11\" }]\n")
	wrong := file("[[group]]\nvirtual_address = \"198.18.0.10\"\naffinity = \"5m\"\nnode = [{ address = \"198.18.0.10\" }]\n")
	check := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		status := run(t.Context(), append([]string{"config", "check"}, args...), time.Now, &out, &errs)
		return status, out.String(), errs.String()
	}
	if status, out, errs := check(right); status != exitOK || out != right+" is right: 1 group, 1 node.\n" {
		t.Errorf("a right file: exit %d, %s%s", status, out, errs)
	}
	status, out, errs := check(wrong)
	if status != exitFailed || !strings.Contains(out, "minimum of 30 minutes") || !strings.Contains(errs, "2 problems; a box would go on with the configuration that it has") {
		t.Errorf("a wrong file: exit %d, %s%s", status, out, errs)
	}
	var problems config.Problems
	if _, out, _ := check("-json", wrong); json.Unmarshal([]byte(out), &problems) != nil || len(problems) != 2 {
		t.Errorf("as JSON: %s", out)
	}
	if _, out, _ := check("-json", right); strings.TrimSpace(out) != "[]" {
		t.Errorf("a right file as JSON: %s", out)
	}
}

func TestPcapLandsInTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "b.pcap")
	status, out, errs := new(balancer).ask(t, "pcap", "B", file)
	if got, err := os.ReadFile(file); status != exitOK || err != nil || string(got) != "packets of B" || !strings.Contains(out, "tcpdump -nr "+file) {
		t.Errorf("exit %d, %s%s: %q %v", status, out, errs, got, err)
	}
	if status, _, errs := new(balancer).ask(t, "pcap", "B", file+"/below"); status != exitFailed || !strings.Contains(errs, "the packets of B are not kept") {
		t.Errorf("exit %d, %s", status, errs)
	}
}
