package daemon

import (
	"fmt"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// Notifier tells the supervisor how the daemon fares. Without a supervisor its
// methods do nothing.
type Notifier struct {
	beat   *time.Ticker
	status string
}

// NewNotifier reads what the supervisor wants from the environment. Stop
// releases it. A Notifier belongs to the daemon's main loop alone.
func NewNotifier() (*Notifier, error) {
	interval, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		return nil, fmt.Errorf("watchdog: %w", err)
	}
	n := &Notifier{}
	if interval > 0 {
		n.beat = time.NewTicker(interval / 2)
	}
	return n, nil
}

// Beat ticks at half the watchdog's interval; it never ticks when no watchdog
// watches. The main loop selects on it beside its work and answers each tick with
// Alive. No other goroutine may: the watchdog is there to notice that the loop hangs.
func (n *Notifier) Beat() <-chan time.Time {
	if n.beat == nil {
		return nil
	}
	return n.beat.C
}

// Alive puts the watchdog off for one interval.
func (n *Notifier) Alive() error { return notify(sd.SdNotifyWatchdog) }

// Ready says that the daemon serves, with a sentence on what.
func (n *Notifier) Ready(status string) error {
	n.status = status
	return notify(sd.SdNotifyReady + "\nSTATUS=" + oneLine(status))
}

// Status replaces the sentence on what the daemon does. The same sentence twice
// is sent once.
func (n *Notifier) Status(status string) error {
	if status == n.status {
		return nil
	}
	n.status = status
	return notify("STATUS=" + oneLine(status))
}

// Ask asks the supervisor for something about the whole box, such as
// api.FactoryReset; what a daemon may ask for is up to the supervisor. It is a field of
// our own of the protocol: other supervisors ignore fields that begin with X_
// (sd_notify(3)).
func (n *Notifier) Ask(what string) error { return notify("X_SPOOLGATE_ASK=" + oneLine(what)) }

// Stopping says that the daemon is about to end of its own will.
func (n *Notifier) Stopping() error { return notify(sd.SdNotifyStopping) }

// Stop ends the ticks of Beat.
func (n *Notifier) Stop() {
	if n.beat != nil {
		n.beat.Stop()
	}
}

// oneLine keeps a text from being read as further KEY=VALUE lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func notify(state string) error {
	if _, err := sd.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify the supervisor: %w", err)
	}
	return nil
}
