package acceptance

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/firmware/secret"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
	"spoolgate/tools/lab/windows"
)

// watching are the lines that have services watched, with these keys in place of the
// usual ones.
func watching(keys ...string) []string {
	all := map[string]string{"account": `"` + windows.User + `"`, "password": `"` + windows.Password + `"`,
		"names": `["` + windows.Spooler + `", "` + windows.WINS + `"]`, "interval": `"1s"`, "timeout": `"900ms"`}
	for _, k := range keys {
		name, value, _ := strings.Cut(k, " = ")
		all[name] = value
	}
	var lines []string
	for name, value := range all {
		lines = append(lines, "services."+name+" = "+value)
	}
	return lines
}

// windowsPlace is a site whose nodes are Windows servers too.
type windowsPlace struct {
	*place
	servers []*windows.Server
}

func openWindows(t *testing.T, keys ...string) *windowsPlace {
	t.Helper()
	p := &windowsPlace{place: build(t, site.Options{Nodes: 2})}
	for i, n := range p.Nodes {
		s, err := windows.Start(n.Namespace, t.TempDir(), p.NodeAddress(i))
		p.must(err)
		t.Cleanup(func() { s.Stop() })
		p.servers = append(p.servers, s)
	}
	p.serve(watching(keys...)...)
	return p
}

// reconfigure has the box follow other keys.
func (p *windowsPlace) reconfigure(keys ...string) {
	p.Helper()
	p.must(p.box.Configure(p.Config(watching(keys...)...)))
	p.must(p.box.Reload())
}

// awaitService waits until the first service of the first node is in this state.
func (p *windowsPlace) awaitService(want api.WindowsState) api.Node {
	p.Helper()
	return p.awaitNode(0, "has a service that is "+string(want), func(n api.Node) bool {
		return len(n.Services) > 0 && n.Services[0].State == want
	})
}

// B5, all: a service that stops takes its node out although its ports answer, and
// so does a port although the services run.
func TestNodeServesOnlyWithPortsAndWindowsServices(t *testing.T) {
	t.Parallel()
	p := openWindows(t)
	if n := p.awaitService(api.WindowsRunning); !strings.HasSuffix(n.HealthReason, "and all its services run") {
		t.Errorf("%s: %s", n.Health, n.HealthReason)
	}
	begin := p.now()
	p.must(p.servers[0].SetSpooler(false))
	n := p.awaitHealth(0, api.Down)
	if n.HealthReason != "service Spooler is stopped" || n.Services[0].State != api.WindowsStopped || n.Ports[0].Outcome != api.Open {
		t.Errorf("%s, %+v, %+v", n.HealthReason, n.Services, n.Ports)
	}
	p.awaitEvent("the stopped service", begin, func(e api.Event) bool {
		return e.Kind == event.NodeHealth && e.Node == "A" && strings.Contains(e.Text, "A is Down: service Spooler is stopped")
	})
	p.must(p.servers[0].SetSpooler(true))
	p.awaitHealth(0, api.Up)
	p.must(p.Nodes[0].StopService(node.SPOC))
	if n := p.awaitHealth(0, api.Down); !strings.HasPrefix(n.HealthReason, "port 5555") || n.Services[0].State != api.WindowsRunning {
		t.Errorf("%s, %+v", n.HealthReason, n.Services)
	}
}

// B5, any: one of the two will do; when both fail the node is Down.
func TestNodeServesWithPortsOrWindowsServices(t *testing.T) {
	t.Parallel()
	p := openWindows(t, `combine = "any"`)
	p.must(p.servers[0].SetSpooler(false))
	if n := p.awaitService(api.WindowsStopped); !n.Serving || !strings.Contains(n.HealthReason, "service Spooler is stopped, but its ports answer") {
		t.Errorf("%s: %s", n.Health, n.HealthReason)
	}
	p.must(p.servers[0].SetSpooler(true))
	p.awaitService(api.WindowsRunning)
	p.must(p.Nodes[0].StopService(node.SPOC))
	n := p.awaitNode(0, "misses its port", func(n api.Node) bool { return n.Ports[0].Misses > 5 })
	if !n.Serving || !strings.Contains(n.HealthReason, "port 5555 refused the connection, but its services run") {
		t.Errorf("%s: %s", n.Health, n.HealthReason)
	}
	p.must(p.servers[0].SetSpooler(false))
	if n := p.awaitHealth(0, api.Down); n.HealthReason != "port 5555 refused the connection; service Spooler is stopped" {
		t.Error(n.HealthReason)
	}
}

// B5: each failure has its own word and reason. What is the configuration's fault
// takes no node out.
func TestEveryTroubleWithWindowsServicesHasItsWordAndReason(t *testing.T) {
	t.Parallel()
	p := openWindows(t)
	for _, tt := range []struct {
		key    string
		state  api.WindowsState
		reason string
	}{
		{`names = ["SafeQ"]`, api.WindowsUnknown, "service SafeQ is not on this node: spoolctl services lists those that are"},
		{`names = ["` + windows.Denied + `"]`, api.WindowsAccessDenied, "service " + windows.Denied + " may not be asked for by the account"},
		{`password = "guess"`, api.WindowsWrongPassword, "wrong password, or no such account"},
		{`password = "sealed-1:"`, api.WindowsSealedPassword, "was encrypted by another box; type it in again"},
	} {
		begin := p.now()
		p.reconfigure(tt.key)
		if n := p.awaitService(tt.state); !n.Serving || !strings.Contains(n.HealthReason, "only its ports are judged: ") || !strings.Contains(n.HealthReason, tt.reason) {
			t.Errorf("%s: %s: %s", tt.key, n.Health, n.HealthReason)
		}
		p.awaitEvent(string(tt.state), begin, func(e api.Event) bool {
			return e.Kind == event.NodeServices && e.Node == "A" && e.Severity == event.Warning && strings.Contains(e.Text, tt.reason)
		})
	}
	p.reconfigure()
	p.awaitService(api.WindowsRunning)
	p.allServe()
	p.must(p.servers[0].Stop())
	if n := p.awaitHealth(0, api.Down); !strings.Contains(n.HealthReason, "the node refused the connection to port 445") || !strings.Contains(n.HealthReason, "3 times in a row") {
		t.Error(n.HealthReason)
	}
	p.must(p.PullCable(0))
	_, err := p.box.Namespace.Output("ip", "neigh", "flush", "all") // the kernel would believe for a minute
	p.must(err)
	p.awaitService(api.WindowsHostDown)
}

// B5: what a node has is listed, the watched ones marked; and the password, typed
// into the configuration once, stands nowhere after that.
func TestServicesAreListedAndThePasswordStandsNowhere(t *testing.T) {
	t.Parallel()
	p := openWindows(t)
	_, err := secret.MakeKey(p.box.Key())
	p.must(err)
	p.must(p.box.Stop())
	p.must(p.box.Start())
	spoolctl := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(program("spoolctl"), append([]string{"-socket", filepath.Join(p.box.Dir, "balancerd.sock")}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	// As a technician does; the lab's short times are no configuration of a box.
	file := filepath.Join(t.TempDir(), "new.toml")
	text := fmt.Sprintf("[[group]]\nvirtual_address = %q\nnode = [{ address = %q }, { address = %q }]\n[group.services]\naccount = %q\npassword = %q\nnames = [%q]\n",
		site.VIP, p.NodeAddress(0), p.NodeAddress(1), windows.User, windows.Password, windows.Spooler)
	p.must(os.WriteFile(file, []byte(text), 0o600))
	spoolctl("config", "apply", file, "-to", filepath.Join(p.box.Dir, "config.toml"), "-key", p.box.Key(), "-netd", filepath.Join(p.box.Dir, "balancerd.sock"), "-reportd", filepath.Join(p.box.Dir, "balancerd.sock"))
	p.awaitService(api.WindowsRunning)
	if out := spoolctl("services", "A"); !regexp.MustCompile(`(?m)^Spooler +\S.* running +yes$`).MatchString(out) || !regexp.MustCompile(`(?m)^WINS +\S.* running *$`).MatchString(out) {
		t.Errorf("the list:\n%s", out)
	}
	shown := spoolctl("status") + spoolctl("status", "-json") + spoolctl("probes", "A") + spoolctl("events", "-json") + p.box.Log()
	if !regexp.MustCompile(`(?m)^A +Spooler +running `).MatchString(shown) {
		t.Errorf("the status:\n%s", shown)
	}
	p.must(filepath.WalkDir(p.box.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		shown += string(content)
		if strings.Contains(string(content), windows.Password) {
			t.Errorf("%s has the password", path)
		}
		return err
	}))
	if strings.Contains(shown, windows.Password) || strings.Count(shown, "sealed-1:") < 2 {
		t.Errorf("the password is shown, or not sealed in the file and its copy:\n%s", shown)
	}
}
