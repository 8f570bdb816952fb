// Package health finds out whether nodes can serve: half-open probes of their
// ports, a schedule that makes them, and a pure state machine that judges them.
//
// Machine is one node of one group, Suspicion the doubt of the whole box in
// itself; neither reads a clock or a socket. Prober and Schedule do.
package health

import (
	"slices"
	"time"

	"spoolgate/firmware/api"
)

// Rule is how a node is judged.
type Rule struct {
	// Ports must all answer for a node to be Up.
	Ports []uint16
	// Misses is the number of consecutive failures of one port that make a node
	// Down; below 1 counts as 1.
	Misses int
	// UpDelay is the time that all ports must answer without a failure before a
	// node that was not Up is Up (requirement: "Node shall not be considered up
	// immediately but after defined time").
	UpDelay time.Duration
	// Interval is the time between two probes of a port. Observations further
	// apart than Misses intervals do not count as uninterrupted.
	Interval time.Duration
	// Services are the Windows services watched beside the ports; see service.go.
	Services ServiceRule
}

func (r Rule) misses() int { return max(r.Misses, 1) }

// Status is what a Machine says of its node.
type Status struct {
	Health api.Health
	Reason string
	Since  time.Time
	UpAt   time.Time // when a Starting node will be Up if nothing fails; zero otherwise
	Ports  []api.Port
	// Services are empty when none is watched.
	Services []api.WindowsService
	// Stopping: the node is Down for nothing but a service on its way to the end,
	// which may still finish what it has open.
	Stopping bool
}

// Machine judges one node. Its states:
//
//	Unknown   nothing known yet, does not serve. The very first probes decide: all
//	          ports answer them: Up. One fails, or the node did not serve when it
//	          was last told of (Recall): it has lost that right, and comes to Down
//	          by the misses or to Starting when all ports answer.
//	          Probes that could not leave the box decide nothing, for as long as the
//	          misses take and while the box suspects itself, and neither does the first
//	          silence of a port soon after one, nor that of an absent node while the box
//	          hears nobody: a server's machine answers for its address long before its
//	          services do, so that one whose services answer at once was there before
//	          the switch let the box in.
//	Starting  all ports answered, the up-delay runs. A failure stops it; it starts
//	          anew when all ports answer again. Down after the misses. For a node that
//	          goes Down over and over the delay is longer each time, while another
//	          node serves (flap.go).
//	Up        serves.
//	Checking  was Up, at least one port missed, fewer times than the misses: serves.
//	Down      a port missed that many times in a row. Starting when all ports answer.
//
// Where Windows services are watched, "all ports answer" is "all ports answer and
// all services run", and a service that is known not to run makes the node Down
// without misses and without delay; with ServiceRule.Any it is "all ports answer or
// all services run", and both have to fail for Down. The rest of the table holds.
//
// A Machine is for one goroutine.
type Machine struct {
	rule     Rule
	ports    []*port
	services []*service

	health  api.Health
	since   time.Time
	why     string    // of Up: how it came to be
	first   bool      // the first-probe rule still holds
	unsent  time.Time // the last probe that could not leave the box
	flaps   flaps     // see flap.go
	answers time.Time // all ports answer since; zero when they do not
	hold    Verdict
	trusted time.Duration // for so long, all in all, the box has not doubted itself
	now     time.Time     // of the last call

	told         api.Health // what the last call reported
	toldUpAt     time.Time
	toldStopping bool
}

// NewMachine is a node that nothing is known of, after the box's own start.
func NewMachine(rule Rule, now time.Time) *Machine {
	m := &Machine{health: api.Unknown, since: now, first: true, now: now}
	m.SetRule(rule, now)
	return m
}

// NewMachineFrom is a node whose health was known before the daemon restarted, or before
// it got another place in the configuration.
// Up and Checking stay until proved otherwise, Down stays, Starting begins its
// delay anew. Unknown stays, without the right to be Up at its first probe: the
// probe may have been missed before.
func NewMachineFrom(rule Rule, prior api.Health, now time.Time) *Machine {
	m := &Machine{health: api.Unknown, since: now, now: now, flaps: flaps{serving: now}}
	switch prior {
	case api.Up, api.Checking, api.Down, api.Starting:
		m.health = prior
	}
	m.why = "was Up before, and has not failed since"
	m.SetRule(rule, now)
	return m
}

// SetRule changes the rule. Ports that stay keep their history and misses; the
// health changes only where the new rule says so.
func (m *Machine) SetRule(rule Rule, now time.Time) {
	old := m.ports
	m.rule, m.ports = rule, nil
	m.rule.Ports = nil
	for _, number := range rule.Ports {
		p := find(old, number)
		if p == nil {
			p = &port{number: number}
		}
		if find(m.ports, number) == nil {
			m.ports = append(m.ports, p)
			m.rule.Ports = append(m.rule.Ports, number)
		}
	}
	m.setServices(rule.Services)
	m.step(now)
}

// Observe takes the result of a probe. It reports whether health or the moment
// of Up changed. A port that is not in the rule is ignored: its probe was under
// way when the rule changed.
func (m *Machine) Observe(now time.Time, number uint16, p api.Probe) (changed bool) {
	at := find(m.ports, number)
	if at == nil {
		return false
	}
	if m.gap(at, now) {
		m.answers = time.Time{}
	}
	if ownTrouble(p.Outcome) {
		m.unsent = now
	}
	m.pass(now)
	excused := m.excuses(at, p)
	at.excused = at.excused || excused
	blind := excused || m.blind(p.Outcome)
	at.observe(now, p, !blind)
	if p.Outcome != api.Open && !blind {
		m.first = false
	}
	return m.step(now)
}

// blind reports whether the outcome tells of the box rather than of the node. That there
// is no way to a node is a matter of its own once the box has had time to find its network.
func (m *Machine) blind(o api.Outcome) bool {
	switch {
	case m.health != api.Unknown || o == api.Failed:
		return o == api.Failed
	case o == api.NoRoute:
		return m.doubted() || m.trusted < time.Duration(m.rule.misses())*m.rule.Interval
	}
	return o == api.Absent && m.hold.Deaf
}

// doubted reports whether what is seen of the node may be the box's own trouble.
func (m *Machine) doubted() bool { return m.hold.Suspect || m.hold.Deaf }

// pass lets time pass.
func (m *Machine) pass(now time.Time) {
	if !m.doubted() {
		m.trusted += max(now.Sub(m.now), 0)
	}
	m.now = now
}

// excuses reports whether the silence of a port is its first soon after a probe that could
// not leave the box: what leaves then may be lost with it.
func (m *Machine) excuses(at *port, p api.Probe) bool {
	return m.health == api.Unknown && quiet(p.Outcome) && !at.excused && !m.unsent.IsZero() && p.Time.Sub(m.unsent) < soon
}

// soon is how long after a probe that could not leave the box the next ones may be lost.
const soon = 2 * time.Second

// Unsent reports whether nothing is known of the node yet because of probes that could not
// leave the box or were lost with them: it is worth asking again within a second. Misses
// come at the pace of the checks.
func (m *Machine) Unsent() bool {
	missed := slices.ContainsFunc(m.ports, func(p *port) bool { return p.misses > 0 })
	return m.health == api.Unknown && !missed && slices.ContainsFunc(m.ports, func(p *port) bool {
		last := p.probe().Outcome
		return ownTrouble(last) || p.excused && quiet(last)
	})
}

// Tick lets time alone work: a Starting node comes Up, a hold runs out. Call it
// at least once a second.
func (m *Machine) Tick(now time.Time) (changed bool) { return m.step(now) }

// Hold tells what Suspicion says. While the box suspects itself, an Up or
// Checking node is not made Down: for as long as the trouble is certainly the
// box's own, otherwise for at most the up-delay. A server cannot have restarted in
// less than the time it needs to start, so a node that answers again by then
// never went away; one that is silent for longer may have, and has to prove
// itself. Misses made under the hold are not held against the node.
func (m *Machine) Hold(now time.Time, v Verdict) (changed bool) {
	if m.hold.Suspect && !v.Suspect && serves(m.health) {
		for _, p := range m.ports {
			p.misses = 0
		}
		for _, s := range m.services {
			s.misses = 0
		}
	}
	m.pass(now)
	m.hold = v
	return m.step(now)
}

func (m *Machine) held(now time.Time) bool {
	return m.hold.Suspect && (m.hold.Certain || now.Sub(m.hold.Since) < m.rule.UpDelay)
}

// step is the only place where health changes.
func (m *Machine) step(now time.Time) (changed bool) {
	m.pass(now)
	down, certain, well := m.down(), m.notRunning(), m.well()
	switch m.health {
	case api.Unknown:
		switch {
		case down:
			m.become(api.Down, now)
		case well && m.first:
			m.why = m.firstLook()
			m.become(api.Up, now)
		case well:
			m.become(api.Starting, now)
		}
	case api.Up, api.Checking:
		switch {
		case down && (certain || !m.held(now)):
			m.flaps.fell(now, m.rule.UpDelay)
			m.become(api.Down, now)
		case m.ailing() && m.health == api.Up:
			m.become(api.Checking, now)
		case well && m.health == api.Checking:
			m.why = m.wellAgain()
			m.become(api.Up, now)
		}
	case api.Starting:
		if down {
			m.become(api.Down, now)
		}
	case api.Down:
		if well {
			m.become(api.Starting, now)
		}
	}
	if m.health == api.Starting {
		m.start(now)
	}
	changed = m.health != m.told || !m.upAt().Equal(m.toldUpAt) || m.stopping() != m.toldStopping
	m.told, m.toldUpAt, m.toldStopping = m.health, m.upAt(), m.stopping()
	return changed
}

// start runs the up-delay of a Starting node.
func (m *Machine) start(now time.Time) {
	switch {
	case !m.well():
		m.answers = time.Time{}
	case m.answers.IsZero():
		m.answers = now
	}
	if m.answers.IsZero() || now.Before(m.upAt()) || m.stale(now) {
		return
	}
	m.why = "answered without a failure since " + clock(m.answers) + ", for the whole up-delay of " + m.upDelay().String()
	m.become(api.Up, now)
}

func (m *Machine) become(h api.Health, now time.Time) {
	if serves(h) && !serves(m.health) {
		m.flaps.serving = now
	}
	m.health, m.since, m.answers = h, now, time.Time{}
}

func serves(h api.Health) bool { return h == api.Up || h == api.Checking }

// ownTrouble reports whether a probe never got as far as the wire.
func ownTrouble(o api.Outcome) bool { return o == api.NoRoute || o == api.Failed }
