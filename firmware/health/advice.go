package health

import (
	"fmt"
	"slices"
	"time"

	"spoolgate/firmware/api"
)

// Advice is what the measured starts of a node say of the up-delay. The box never
// changes it by itself: the requirement's "defined time" is the operator's.
type Advice struct {
	// Delay that is proposed; 0 as long as fewer than three starts were measured.
	Delay time.Duration
	// Longest of the starts that count, also when they are too few; 0 for none.
	Longest time.Duration
	// Text is a sentence for people without its full stop; empty without a Delay.
	Text string
}

const (
	// KeptStarts is the number of starts worth keeping of a node.
	KeptStarts = 10

	advisedBy    = 5 // the last starts
	leastStarts  = 3
	roundedTo    = 30 * time.Second
	longestDelay = time.Hour // as a configuration may say
)

// Advise proposes an up-delay from the starts of a node, oldest first: the longest
// of the last five and a quarter more, rounded up to half a minute. One start
// that took more than twice the median of the five is left out: the server made
// its updates or checked its disks. When there are two, the server has become slow.
func Advise(starts []api.Start, configured time.Duration) Advice {
	starts = starts[max(len(starts)-advisedBy, 0):]
	var took []time.Duration
	for _, s := range starts {
		took = append(took, time.Duration(s.Took))
	}
	slices.Sort(took)
	switch {
	case len(took) == 0:
		return Advice{}
	case len(took) < leastStarts:
		return Advice{Longest: took[len(took)-1]}
	}
	text := fmt.Sprintf("the last %d starts", len(took))
	if longest := took[len(took)-1]; longest > 2*took[len(took)/2] {
		took = took[:len(took)-1]
		text += fmt.Sprintf(" but one of %s", seconds(longest))
	}
	shortest, longest := took[0], took[len(took)-1]
	a := Advice{Delay: min(ceil(longest+longest/4, roundedTo), longestDelay), Longest: longest}
	set := fmt.Sprintf(`up_delay = "%.0fs"`, a.Delay.Seconds())
	text += fmt.Sprintf(" took %.0f to %s; ", ceil(shortest, time.Second).Seconds(), seconds(longest))
	switch {
	case a.Delay > configured:
		a.Text = text + fmt.Sprintf("set %s, now it is %v", set, configured)
	case a.Delay < configured:
		a.Text = text + fmt.Sprintf("up_delay is %v, which is enough, and %s would be, too", configured, set)
	default:
		a.Text = text + fmt.Sprintf("up_delay is %v, which is right", configured)
	}
	return a
}

func ceil(d, to time.Duration) time.Duration { return (d + to - 1) / to * to }

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", ceil(d, time.Second).Seconds()) }
