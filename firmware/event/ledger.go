package event

import (
	"slices"
	"time"

	"spoolgate/firmware/api"
)

// ledger is which incidents last, and the highest number of one.
type ledger struct {
	Last uint64         `json:"last"`
	Open []api.Incident `json:"open,omitempty"`
}

// mostOpen bounds the first line of a file; a box with so many open incidents has
// one cause that nobody will look for in the oldest.
const mostOpen = 256

// note takes over what a report says of its incident.
func (l *ledger) note(r api.Report) {
	if r.Incident == nil {
		return
	}
	i := *r.Incident
	l.Last = max(l.Last, i.ID)
	at := slices.IndexFunc(l.Open, func(o api.Incident) bool { return o.ID == i.ID })
	switch {
	case at >= 0 && i.Open():
		l.Open[at] = i
	case at >= 0:
		l.Open = slices.Delete(l.Open, at, at+1)
	case i.Open():
		l.Open = append(l.Open, i)
		l.Open = l.Open[max(0, len(l.Open)-mostOpen):]
	}
}

// What the medium is given in an hour, which is flash and wears out. An hour with a
// hundred incidents needs a tenth of it.
const (
	bytesPerHour = 4 << 20
	// resumed is how much of it must have come together again before what was
	// left out is kept again.
	resumed = bytesPerHour / 4
)

// allowance is how many bytes may be written now: an hour's worth at once, and what
// time has brought since.
type allowance struct {
	left  int
	at    time.Time
	spent bool
}

// take reports whether n bytes may be written, and counts them then.
func (a *allowance) take(n int, now time.Time) bool {
	gained := bytesPerHour
	if !a.at.IsZero() {
		gained = int(int64(bytesPerHour) * int64(min(max(now.Sub(a.at), 0), time.Hour)/time.Millisecond) / int64(time.Hour/time.Millisecond))
	}
	if gained > 0 || now.Before(a.at) {
		a.left, a.at = min(a.left+gained, bytesPerHour), now
	}
	switch {
	case a.left < n:
		a.spent = true
	case a.left >= resumed:
		a.spent = false
	}
	if a.spent {
		return false
	}
	a.left -= n
	return true
}
