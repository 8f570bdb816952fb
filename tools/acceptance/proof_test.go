package acceptance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/site"
)

// proved is the proof by the ids of its sentences.
func (p *place) proved() map[string]api.ProofItem {
	p.Helper()
	found, err := p.box.Proof(p.Context())
	p.must(err)
	by := map[string]api.ProofItem{}
	for _, i := range found.Items {
		if by[i.ID] = i; len(i.Evidence) == 0 || i.Sentence == "" || i.Section == "" {
			p.Errorf("without evidence: %+v", i)
		}
	}
	return by
}

// expectsProved waits until the sentences of these ids are judged so.
func (p *place) expectsProved(when string, verdict api.Verdict, ids string) {
	p.Helper()
	for end := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		found, open := p.proved(), ""
		for id := range strings.FieldsSeq(ids) {
			if i := found[id]; i.Verdict != verdict {
				open += fmt.Sprintf("\n%s is %q: %s", id, i.Verdict, strings.Join(i.Evidence, "; "))
			}
		}
		if open == "" {
			return
		}
		if time.Now().After(end) {
			p.Errorf("%s, these should be %q:%s", when, verdict, open)
			return
		}
	}
}

// proofExits runs spoolctl proof.
func (p *place) proofExits(when string, status int, words ...string) {
	p.Helper()
	out, err := exec.Command(program("spoolctl"), "-socket", filepath.Join(p.box.Dir, "balancerd.sock"), "proof").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != status {
		p.Errorf("%s, spoolctl proof exits with %v, want %d:\n%s", when, err, status, out)
	}
	for _, w := range words {
		if !strings.Contains(string(out), w) {
			p.Errorf("%s, spoolctl proof does not say %q:\n%s", when, w, out)
		}
	}
}

// What only MFDs show, and what is right whatever they do.
const (
	byTraffic = "address-used unit affinity window uniform by-port single-source same-node ports-terminal ports-webdav ports-ftp least-connections passive-ftp"
	byProbes  = "failover-decision monitored-ports half-open check-5555 check-5022 period"
)

// A-to-Z of a day of installation: nothing passes before it was seen, all passes that
// was, and what breaks is found out.
func TestProvedSentencesAreThoseThatWereSeen(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 12})
	p.expectsProved("before traffic", api.UnseenYet, byTraffic+" down-after up-delay")
	p.expectsProved("before a reporter is configured", api.Fail, "reports")
	p.expectsProved("after some seconds", api.Pass, byProbes)
	// The lab's box has no netd and no name.
	p.expectsProved("at any time", api.UnseenHere, "virtual-address reverse-look-up node-load-balancer node-group node-address node-scan-address")

	p.must(p.box.Configure(p.Config() + "[report.syslog]\nserver = \"log.example.com\"\n"))
	p.must(p.box.Reload())
	p.expectsProved("with a reporter and no reportd", api.Fail, "reports")
	p.proofExits("with a reporter and no reportd", 1, "fail: \"The load balancer shall handle monitoring", "reportd does not answer")
	s := newTold(t, p.box.Dir)
	s.expects("report test syslog", "the server took it", "(<nil>)")
	p.expectsProved("with a message that went out", api.Pass, "reports")
	p.proofExits("before traffic", 3, "can't be seen yet: \"Affinity needs to be set", "can't be seen from here: \"Set the Load Balancer's virtual DNS name")

	for _, port := range []uint16{5011, 5610, 5022} {
		p.landings(p.MFDs, port)
	}
	p.login(p.MFDs[0]).transfer("PASV")
	p.expectsProved("after traffic", api.Pass, byTraffic+" "+byProbes)
	p.must(p.Nodes[0].Kill())
	p.awaitHealth(0, api.Down)
	p.landings(p.MFDs, 5011)
	p.expectsProved("after a failure", api.Pass, byTraffic+" down-after")

	p.must(s.reportd.Process.Kill())
	s.reportd.Wait()
	p.expectsProved("with a dead reportd", api.Fail, "reports")
	p.proofExits("with a dead reportd", 1, "reportd does not answer, so that nobody is told")
}

// What is sent over UDP leaves the box in the same way whether anybody is there.
func TestProvedReportsDoNotCountWhatNobodyConfirms(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1})
	s := newTold(t, p.box.Dir)
	nobody, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	p.must(err)
	defer nobody.Close()
	reporter := fmt.Sprintf("[report.syslog]\nserver = \"127.0.0.1\"\nport = %d\n", nobody.LocalAddr().(*net.UDPAddr).Port)
	// reportd has no limits of a lab.
	const group = "[[group]]\nvirtual_address = \"198.18.0.10\"\nnode = [{ address = \"198.18.0.11\" }]\n"
	p.must(os.WriteFile(filepath.Join(s.dir, "config.toml"), []byte(group+reporter), 0o600))
	p.must(s.reportd.Process.Signal(syscall.SIGHUP))
	p.must(p.box.Configure(p.Config() + reporter))
	p.must(p.box.Reload())
	s.expects("report list", "127.0.0.1:", " over udp")
	s.expects("report test syslog", "over UDP nobody says whether it arrived", "(<nil>)")
	p.expectsProved("with a message that nobody confirms", api.UnseenHere, "reports")
}

// What the configuration has otherwise than the requirement fails, also before anything
// was seen.
func TestProvedSentencesFailByAConfigurationThatDeniesThem(t *testing.T) {
	t.Parallel()
	p := open(t, site.Options{Nodes: 2, MFDs: 1}, `ports = ["5012-5025", 21]`, `affinity = "5m"`, `checks.ports = [5022]`, fmt.Sprintf("naming.resolvers = [%q]", resolver))
	p.expectsProved("by the configuration", api.Fail, "window monitored-ports ports-terminal ports-webdav")
	p.expectsProved("by the configuration", api.Pass, "failover-decision half-open check-5022 period")
}

// With "any" the ports decide alone where the services can't be asked: the requirement
// says "AND/OR". With "all" the configuration promises more.
func TestProvedSentenceOfTheDecisionAllowsWhatAnyAllows(t *testing.T) {
	t.Parallel()
	p := openWindows(t, `combine = "any"`)
	p.awaitService(api.WindowsRunning)
	p.expectsProved("with services that run", api.Pass, "failover-decision")
	for _, server := range p.servers {
		p.must(server.Stop())
	}
	p.must(p.box.Stop()) // what could be read before counts as silence
	p.must(p.box.Start())
	p.awaitService(api.WindowsRefused)
	p.expectsProved("with any, and no service that answers", api.Pass, "failover-decision")
	p.reconfigure(`combine = "all"`)
	p.expectsProved("with all, and no service that answers", api.Fail, "failover-decision")
}
