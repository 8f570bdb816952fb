package api

import "time"

// ServicesFile is where init writes Services, whole at each change. It is a
// file and no socket so that PID 1 speaks no HTTP and the file outlives
// whoever reads it.
const ServicesFile = "/run/spoolgate/services.json"

// FactoryReset is what a daemon asks init for (daemon.Notifier.Ask) to have the
// configuration and all that was remembered forgotten, and the box started anew.
const FactoryReset = "factory-reset"

// Services is what init knows: how the box came up and how its daemons fare.
type Services struct {
	Time     time.Time `json:"time"` // of the last change
	Boot     Boot      `json:"boot"`
	Services []Daemon  `json:"services"`
}

// Boot is how the box came up.
type Boot struct {
	Board   string    `json:"board"`
	Version string    `json:"version"`
	Slot    string    `json:"slot"` // "A", "B", or empty when started without a disk
	Started time.Time `json:"started"`
	// LastEnd is why the previous run ended: operator, update, watchdog, panic, power.
	LastEnd string `json:"last_end"`
	// Problems are what did not work on the way up and what the box does
	// instead, one sentence each; empty is good.
	Problems []string `json:"problems,omitempty"`
}

// Daemon is one supervised program. What was asked of it and what it is are
// apart: Name and Critical are the former.
type Daemon struct {
	Name     string      `json:"name"`
	Critical bool        `json:"critical"`
	State    DaemonState `json:"state"`
	Reason   string      `json:"reason"` // of the state
	Since    time.Time   `json:"since"`
	PID      int         `json:"pid,omitempty"`
	Restarts int         `json:"restarts"`            // since the box started
	Status   string      `json:"status,omitempty"`    // the daemon's own words (STATUS=)
	LastExit string      `json:"last_exit,omitempty"` // how it ended last
	NextTry  time.Time   `json:"next_try,omitzero"`   // of a Waiting daemon
}

// DaemonState is the state of a supervised program.
type DaemonState string

// The states of a supervised program.
const (
	DaemonStarting  DaemonState = "Starting"  // has a process, not READY yet
	DaemonRunning   DaemonState = "Running"   // said READY, and is alive
	DaemonReloading DaemonState = "Reloading" // said RELOADING, not READY again yet
	DaemonEnding    DaemonState = "Ending"    // is on its way out, asked or by itself
	DaemonWaiting   DaemonState = "Waiting"   // has no process, will be started again
	DaemonStopped   DaemonState = "Stopped"   // has no process, and shall have none
)
