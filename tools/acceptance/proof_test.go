package acceptance

import (
	"fmt"
	"testing"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/site"
)

// The requirement is held against what is seen: a group that meets it passes by
// every sentence that the box can see, and one that does not fails by that one.
func TestRequirementIsProvedSentenceBySentence(t *testing.T) {
	t.Parallel()
	verdicts := func(p *place) (by map[api.Verdict]int, failed map[string][]string) {
		found, err := p.box.Proof(t.Context())
		p.must(err)
		by, failed = map[api.Verdict]int{}, map[string][]string{}
		for _, i := range found.Items {
			if by[i.Verdict]++; len(i.Evidence) == 0 || i.Sentence == "" || i.Section == "" {
				t.Errorf("without evidence: %+v", i)
			}
			if i.Verdict == api.Fail {
				failed[i.Sentence] = i.Evidence
			}
		}
		return by, failed
	}
	p := open(t, site.Options{Nodes: 2, MFDs: 6}, `checks.interval = "5s"`, `checks.timeout = "2s"`, `checks.up_delay = "10s"`)
	for _, m := range p.MFDs {
		p.visit(m, 5011)
		p.visit(m, 5610)
	}
	// The lab's box has no netd, no name and no reporter.
	by, failed := verdicts(p)
	if len(failed) != 1 || failed["The load balancer shall handle monitoring and reporting of the service failures on its own"] == nil || by[api.Unseen] != 3 {
		t.Errorf("%v, failed %v", by, failed)
	}

	q := open(t, site.Options{Nodes: 2, MFDs: 1}, `ports = ["5012-5025", 21]`, `affinity = "5m"`, `checks.ports = [5022]`, fmt.Sprintf("naming.resolvers = [%q]", resolver))
	_, failed = verdicts(q)
	for _, sentence := range []string{
		"Affinity needs to be set for a minimum of 30 minutes",
		"If TCP based monitor is in place, required ports for monitoring are 5555 (for SPOC service) and 5022 (for TS service)",
		"5011 through to 5025 ... 5610 ... 21 ... all the ports should be passed to the same node per request window",
		"monitoring period is 5 seconds with node considered down after 3 unsuccessful attempts",
	} {
		if failed[sentence] == nil {
			t.Errorf("not found out: %s", sentence)
		}
	}
}
