package config

import "time"

// The defaults of a group are the numbers of the requirement, sections "Health
// Check" and "Ports Pass through".

func defaultPorts() []PortRange {
	return []PortRange{{21, 21}, {5011, 5025}, {5610, 5610}}
}

func defaultChecks() Checks {
	return Checks{
		Ports:    []uint16{5555, 5022},
		Interval: 5 * time.Second,
		Timeout:  2500 * time.Millisecond,
		Misses:   3,
		UpDelay:  3 * time.Minute,
	}
}

const (
	defaultHostname = "spoolgate"
	defaultMode     = Masked
	defaultAffinity = 30 * time.Minute
	defaultFTPPort  = 21
	defaultWeight   = 1
)

// nodeName is the name of the i-th node that has none: A to Z, then N27, N28...
func nodeName(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return "N" + itoa(i+1)
}
