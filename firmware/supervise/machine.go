package supervise

import (
	"fmt"
	"syscall"
	"time"

	"spoolgate/firmware/api"
)

// Action is what a Machine wants done. The result comes back as an event.
type Action struct {
	Spawn  bool           // start a process: answer with Started or Failed
	Signal syscall.Signal // send this to the process; 0 means none
}

// Machine is the life of one service: pure, no process and no clock of its own.
// Every method takes the moment at which it happened.
//
//	Stopped  --Start-------------------> Starting (spawn)
//	Starting --READY-------------------> Running
//	Starting --no READY in time--------> Ending (SIGTERM)
//	Running  --RELOADING/READY---------> Reloading and back
//	Running  --silent for the watchdog-> Ending (SIGABRT)
//	Running  --STOPPING----------------> Ending (no signal)
//	Ending   --out of patience---------> Ending (SIGKILL)
//	any      --exit--------------------> Waiting, or Stopped when asked to stop
//	Waiting  --delay over--------------> Starting (spawn)
//	any      --Stop--------------------> Ending (SIGTERM), Stopped without a process
type Machine struct {
	timing Timing
	quiet  bool // no notify protocol: Running once started

	state    api.DaemonState
	reason   string
	since    time.Time
	pid      int
	restarts int
	status   string
	lastExit string

	stopping bool          // asked to stop: no restart
	delay    time.Duration // before the next restart
	watchdog time.Duration // in force now; WATCHDOG_USEC changes it
	deadline time.Time     // of the state: READY, SIGKILL, restart; zero means none
	fresh    time.Time     // until when the last sign of life counts; zero means no watchdog
	ready    time.Time     // when this process said READY first
	aborted  bool          // SIGABRT was sent: no more patience can be asked for
	killed   time.Time     // when SIGKILL was sent
}

// NewMachine is a stopped service.
func NewMachine(spec Spec, now time.Time) *Machine {
	t := spec.Timing.withDefaults()
	return &Machine{
		timing: t, quiet: spec.Console != "",
		state: api.DaemonStopped, reason: "not started yet", since: now,
		delay: t.FirstDelay, watchdog: t.Watchdog,
	}
}

func (m *Machine) enter(now time.Time, s api.DaemonState, reason string, patience time.Duration) {
	m.state, m.reason, m.since, m.deadline = s, reason, now, time.Time{}
	if patience > 0 {
		m.deadline = now.Add(patience)
	}
}

// Start asks for the service to run.
func (m *Machine) Start(now time.Time) Action {
	m.stopping = false
	if m.state != api.DaemonStopped {
		return Action{}
	}
	return m.spawn(now)
}

func (m *Machine) spawn(now time.Time) Action {
	m.watchdog, m.status, m.aborted = m.timing.Watchdog, "", false
	m.fresh, m.ready, m.killed = time.Time{}, time.Time{}, time.Time{}
	m.enter(now, api.DaemonStarting, "waits for READY", m.timing.Start)
	return Action{Spawn: true}
}

// Started says that Spawn made process pid.
func (m *Machine) Started(now time.Time, pid int) {
	m.pid = pid
	if m.quiet {
		m.enter(now, api.DaemonRunning, "started", 0)
		m.ready = now
	}
}

// Failed says that Spawn made no process.
func (m *Machine) Failed(now time.Time, err error) {
	m.lastExit = "not started: " + err.Error()
	m.again(now, m.lastExit)
}

// Stop asks for the service to end and stay ended.
func (m *Machine) Stop(now time.Time) Action {
	if m.stopping {
		return Action{}
	}
	m.stopping = true
	if m.pid == 0 {
		m.enter(now, api.DaemonStopped, "asked to stop", 0)
		return Action{}
	}
	if m.state == api.DaemonEnding {
		return Action{}
	}
	m.enter(now, api.DaemonEnding, "asked to stop", m.timing.Stop)
	return Action{Signal: syscall.SIGTERM}
}

// Exited says that the process is gone.
func (m *Machine) Exited(now time.Time, how string) {
	steady := !m.ready.IsZero() && now.Sub(m.ready) >= m.timing.Steady
	reason := how
	if m.state == api.DaemonEnding {
		reason = m.reason + ": " + how
	}
	m.pid, m.lastExit, m.fresh = 0, reason, time.Time{}
	if m.stopping {
		m.enter(now, api.DaemonStopped, reason, 0)
		return
	}
	if steady {
		m.delay = m.timing.FirstDelay
	}
	m.again(now, reason)
}

func (m *Machine) again(now time.Time, why string) {
	m.enter(now, api.DaemonWaiting, why, m.delay)
	m.delay = min(2*m.delay, m.timing.MaxDelay)
}

// Notify takes one message of the service itself.
func (m *Machine) Notify(now time.Time, n Message) Action {
	if m.pid == 0 {
		return Action{}
	}
	if n.Status != nil {
		m.status = *n.Status
	}
	if n.WatchdogInterval != nil {
		m.watchdog = *n.WatchdogInterval
		m.alive(now)
	}
	live := m.state == api.DaemonStarting || m.state == api.DaemonRunning || m.state == api.DaemonReloading
	if n.Extend > 0 && !m.deadline.IsZero() && now.Add(n.Extend).After(m.deadline) && !m.aborted && m.killed.IsZero() {
		m.deadline = now.Add(n.Extend)
	}
	// One that never was READY has its start's limit, whatever it calls it.
	if n.Reloading && m.state == api.DaemonRunning {
		m.enter(now, api.DaemonReloading, "reads its configuration", m.timing.Start)
	}
	if n.Ready && (m.state == api.DaemonStarting || m.state == api.DaemonReloading) {
		m.enter(now, api.DaemonRunning, "said READY", 0)
		if m.ready.IsZero() {
			m.ready = now
		}
		m.alive(now)
	}
	if n.Alive && live {
		m.alive(now)
	}
	if n.Trigger && live {
		return m.abort(now, "reported that it is stuck itself")
	}
	if n.Stopping && live {
		m.enter(now, api.DaemonEnding, "said STOPPING", m.timing.Stop)
		m.fresh = time.Time{}
	}
	return Action{}
}

// alive renews the watchdog, which runs from the first READY on: a start has
// its own limit.
func (m *Machine) alive(now time.Time) {
	switch {
	case m.watchdog == 0:
		m.fresh = time.Time{}
	case m.state == api.DaemonRunning || m.state == api.DaemonReloading:
		m.fresh = now.Add(m.watchdog)
	}
}

func (m *Machine) abort(now time.Time, why string) Action {
	m.fresh, m.aborted = time.Time{}, true
	m.enter(now, api.DaemonEnding, why, m.timing.Abort)
	return Action{Signal: syscall.SIGABRT}
}

// Tick does what is due by time alone.
func (m *Machine) Tick(now time.Time) Action {
	if !m.fresh.IsZero() && !now.Before(m.fresh) {
		return m.abort(now, fmt.Sprintf("gave no sign of life for %v", m.watchdog))
	}
	if m.deadline.IsZero() || now.Before(m.deadline) {
		return Action{}
	}
	switch m.state {
	case api.DaemonWaiting:
		m.restarts++
		return m.spawn(now)
	case api.DaemonStarting, api.DaemonReloading:
		m.enter(now, api.DaemonEnding, fmt.Sprintf("was not READY within %v", m.timing.Start), m.timing.Stop)
		return Action{Signal: syscall.SIGTERM}
	case api.DaemonEnding:
		if m.killed.IsZero() {
			m.killed = now
		}
		m.deadline = now.Add(m.timing.Stop) // a process in the kernel's hands may need another one
		return Action{Signal: syscall.SIGKILL}
	}
	return Action{}
}

// Deadline is when Tick has something to do; zero means never.
func (m *Machine) Deadline() time.Time {
	if m.deadline.IsZero() || (!m.fresh.IsZero() && m.fresh.Before(m.deadline)) {
		return m.fresh
	}
	return m.deadline
}

// Stuck is how long the process has not died of SIGKILL; 0 when there is none
// such. Only the kernel can hold it then, and only a reset helps.
func (m *Machine) Stuck(now time.Time) time.Duration {
	if m.killed.IsZero() || m.pid == 0 {
		return 0
	}
	return now.Sub(m.killed)
}

// Daemon is the state as everybody may read it; name and importance are the
// caller's to fill in.
func (m *Machine) Daemon() api.Daemon {
	d := api.Daemon{
		State: m.state, Reason: m.reason, Since: m.since, PID: m.pid,
		Restarts: m.restarts, Status: m.status, LastExit: m.lastExit,
	}
	if m.state == api.DaemonWaiting {
		d.NextTry = m.deadline
	}
	return d
}
