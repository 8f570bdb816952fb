package report

import "time"

const (
	firstDelay = 5 * time.Second
	maxDelay   = 10 * time.Minute // a server that is back is found within it
)

// delay is the pause after so many failures in a row: 5 s, doubled each time, at
// most 10 minutes.
func delay(failures int) time.Duration {
	d := firstDelay
	for range failures - 1 {
		if d *= 2; d >= maxDelay {
			return maxDelay
		}
	}
	return d
}
