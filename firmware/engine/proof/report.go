package proof

import (
	"cmp"
	"fmt"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/phrase"
)

// Reports is what is seen of those who tell people.
type Reports struct {
	Configured int  // reporters: syslog, snmp, mail, webhook
	Metrics    bool // somebody may fetch them
	Reporters  []api.Reporter
	Silent     error // reportd does not answer; nil when it does
	Incidents  int   // open now
}

// Judge needs a reporter that brought a message to its receiver, or a test message. A
// test that stopped since outweighs what arrived before it.
// One that is in trouble while another one delivers is a remark: people are told. A
// recipient that is left out is told by nobody else, and his reports do not wait.
// What was sent and is confirmed by nobody is no evidence: it leaves the box in the
// same way when the receiver's machine is not there.
func (r Reports) Judge() api.ProofItem {
	var f finding
	switch {
	case r.Configured == 0 && !r.Metrics:
		f.fails("no reporter is configured, so that nobody is told; do: add [report.mail] or another one")
	case r.Silent != nil:
		f.fails("reportd does not answer, so that nobody is told: %v; do: see spoolctl events for why it ended", r.Silent)
	case r.Configured == 0:
		f.lacks("the box tells nobody by itself; whether somebody fetches its metrics and is warned can't be seen; do: add [report.mail] or another reporter")
	case len(r.Reporters) == 0:
		f.fails("reportd runs none of the %s; do: see its log, and apply the configuration again", phrase.Count(r.Configured, "configured reporter"))
	}
	if r.Silent == nil {
		r.reporters(&f)
	}
	f.notes("incidents that are open now: %d", r.Incidents)
	return f.item(sentence{"reports", failover, "The load balancer shall handle monitoring and reporting of the service failures on its own"})
}

func (r Reports) reporters(f *finding) {
	var troubles, unproved []string
	for _, one := range r.Reporters {
		lastly, stopped := one.DeliveredAt, one.TestStopped != nil && one.TestedAt.After(one.DeliveredAt)
		if one.TestStopped == nil {
			lastly = later(lastly, one.TestedAt)
		}
		if one.LeftOut != nil {
			f.fails("%s does not get to everybody: %s: %s; do: %s", one.Name, one.LeftOut.Stage, one.LeftOut.What, one.LeftOut.Do)
		}
		switch {
		case one.Trouble != nil:
			troubles = append(troubles, fmt.Sprintf("%s has not got through since %s, %s waiting: %s: %s; do: %s",
				one.Name, clock(one.Since), phrase.Count(one.Waiting, "report"), one.Trouble.Stage, one.Trouble.What, one.Trouble.Do))
		case one.LeftOut != nil:
			f.notes("%s sent its last message at %s, to the others", one.Name, clock(later(one.DeliveredAt, one.TestedAt)))
		case stopped:
			troubles = append(troubles, fmt.Sprintf("%s did not get through with its test at %s: %s: %s; do: %s",
				one.Name, clock(one.TestedAt), one.TestStopped.Stage, one.TestStopped.What, one.TestStopped.Do))
		case lastly.IsZero():
			unproved = append(unproved, fmt.Sprintf("%s has sent nothing to %s yet; do: spoolctl report test %s", one.Name, cmp.Or(one.Target, "its receiver"), one.Name))
		case one.Unconfirmed:
			f.hides("%s sent its last message at %s, to %s, and over UDP nobody says whether it arrived; do: look for it there, or have it confirmed by %s",
				one.Name, clock(lastly), cmp.Or(one.Target, "its receiver"), confirmed[one.Name])
		default:
			f.shows("%s sent its last message at %s, to %s", one.Name, clock(lastly), cmp.Or(one.Target, "its receiver"))
		}
	}
	switch {
	case len(f.seen) > 0:
		f.remarks = append(f.remarks, append(troubles, unproved...)...)
	case len(unproved) > 0:
		f.missing = append(f.missing, unproved...)
		f.remarks = append(f.remarks, troubles...)
	case len(f.hidden) > 0:
		f.remarks = append(f.remarks, troubles...)
	default:
		f.wrong = append(f.wrong, troubles...)
	}
}

// confirmed is how a reporter that goes unconfirmed is configured otherwise.
var confirmed = map[string]string{
	"syslog": `transport = "tcp" in [report.syslog]`,
	"snmp":   `inform = true in [report.snmp]`,
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
