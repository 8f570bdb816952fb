package config

import "time"

// Limits are the bounds of what a configuration may ask for. A box always
// parses with Required; the lab, which can't wait half an hour to see a window
// end, brings its own from outside the image.
type Limits struct {
	MinAffinity  time.Duration
	MaxAffinity  time.Duration
	MinInterval  time.Duration
	MaxInterval  time.Duration
	MinLook      time.Duration // between two looks at the names
	MinTimeout   time.Duration
	MinUpDelay   time.Duration
	MaxUpDelay   time.Duration
	MinMisses    int
	MaxMisses    int
	MaxGroups    int
	MaxNodes     int // in one group
	MaxWeight    int
	MaxPortCount int // ports that one group passes
}

// Required are the limits of a box on a site.
func Required() Limits {
	return Limits{
		MinAffinity:  30 * time.Minute,
		MaxAffinity:  7 * 24 * time.Hour,
		MinInterval:  time.Second,
		MaxInterval:  time.Minute,
		MinLook:      10 * time.Second,
		MinTimeout:   500 * time.Millisecond,
		MinUpDelay:   10 * time.Second,
		MaxUpDelay:   time.Hour,
		MinMisses:    2,
		MaxMisses:    20,
		MaxGroups:    16,
		MaxNodes:     64,
		MaxWeight:    100,
		MaxPortCount: 4096,
	}
}

// Sentences of the requirement that a refused value would break.
const (
	reqAffinity = `the requirement says "Affinity needs to be set for a minimum of 30 minutes"`
	reqUpDelay  = `the requirement says "Node shall not be considered up immediately but after defined time which must be based on real time required for Management/Site Server to start"`
	reqMisses   = `the requirement recommends "monitoring period is 5 seconds with node considered down after 3 unsuccessful attempts"`
	reqOneVIP   = `the requirement says a group "is represented from the perspective of MFDs by one and only one virtual IP address"`
	reqUnit     = `the requirement says "The unit of failover and load balancing is one Spooler Controller Group"`
)
