package engine

import (
	"fmt"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/health"
)

// provesServices holds against the requirement what the failover decision is made
// of. Ports alone are one of the ways that it allows.
func provesServices(g *group) api.ProofItem {
	const sentence = "make failover decision based on the state of appropriate Windows Services as reported by Service Control Manager ... AND/OR based on the availability of selected TCP ports"
	var wrong, evidence []string
	for _, m := range g.members {
		if !m.Services.Watched() {
			evidence = append(evidence, m.Name+": by its ports alone; no Windows service is configured")
			continue
		}
		evidence = append(evidence, fmt.Sprintf("%s: %s of ports and services", m.Name, m.Services.Combine))
		for _, s := range m.machine.Status().Services {
			line := fmt.Sprintf("%s: %s at %s", m.Name, health.ServiceSentence(s), s.Last.Format(time.TimeOnly))
			if s.Counts {
				evidence = append(evidence, line)
			} else {
				wrong = append(wrong, line+", and does not count")
			}
		}
	}
	return verdict(failover, sentence, wrong, evidence...)
}
