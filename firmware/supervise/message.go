package supervise

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// Message is what a service said in one datagram (sd_notify(3)). Unknown words
// are for somebody else's supervisor and count as nothing.
type Message struct {
	Ready, Reloading, Stopping bool
	Alive, Trigger             bool           // WATCHDOG=1, WATCHDOG=trigger
	Status                     *string        // STATUS
	WatchdogInterval           *time.Duration // WATCHDOG_USEC; 0 switches it off
	Extend                     time.Duration  // EXTEND_TIMEOUT_USEC
	Barrier                    bool           // BARRIER=1: close the descriptor when all before it is done
	Store, Remove              bool           // FDSTORE=1, FDSTOREREMOVE=1
	Ask                        string         // X_SPOOLGATE_ASK: about the whole box, see Spec.Asks
	FDName                     string         // FDNAME; "stored" when it was absent or not valid
}

const (
	maxStatus = 512
	maxAsk    = 64
	// maxExtend bounds EXTEND_TIMEOUT_USEC: a service that asks for more is the
	// kind that hangs.
	maxExtend = 10 * time.Minute
	// minWatchdog bounds WATCHDOG_USEC: below it a busy minute kills a healthy service.
	minWatchdog = 100 * time.Millisecond
	// maxWatchdog bounds it upwards: beyond it the word hung has no meaning.
	maxWatchdog = 10 * time.Minute
)

// ParseMessage reads a datagram: lines of KEY=VALUE.
func ParseMessage(b []byte) Message {
	m := Message{FDName: "stored"}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		key, value, _ := strings.Cut(string(line), "=")
		switch key {
		case "READY":
			m.Ready = value == "1"
		case "RELOADING":
			m.Reloading = value == "1"
		case "STOPPING":
			m.Stopping = value == "1"
		case "WATCHDOG":
			m.Alive, m.Trigger = value == "1", value == "trigger"
		case "STATUS":
			s := strings.ToValidUTF8(value[:min(len(value), maxStatus)], "")
			m.Status = &s
		case "WATCHDOG_USEC":
			if d, ok := micros(value, maxWatchdog); ok && (d == 0 || d >= minWatchdog) {
				m.WatchdogInterval = &d
			}
		case "EXTEND_TIMEOUT_USEC":
			if d, ok := micros(value, maxExtend); ok {
				m.Extend = d
			}
		case "BARRIER":
			m.Barrier = value == "1"
		case "FDSTORE":
			m.Store = value == "1"
		case "FDSTOREREMOVE":
			m.Remove = value == "1"
		case "X_SPOOLGATE_ASK":
			m.Ask = strings.ToValidUTF8(value[:min(len(value), maxAsk)], "")
		case "FDNAME":
			if validFDName(value) {
				m.FDName = value
			}
		}
	}
	return m
}

func micros(s string, limit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, false
	}
	if n > uint64(limit/time.Microsecond) {
		return limit, true
	}
	return time.Duration(n) * time.Microsecond, true
}

// validFDName is the rule of sd_pid_notify_with_fds(3): the names are joined
// with colons in LISTEN_FDNAMES.
func validFDName(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return true
}
