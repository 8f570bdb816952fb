package config

// ClientLimits are what one MFD may have of a group. They are far above what MFDs do.
type ClientLimits struct {
	// Connections are those open at once, of all ports together. A new one above it
	// is refused; an MFD may have a few more for the moment in which they are counted.
	Connections int
}

const (
	defaultConnections = 1000
	// An MFD has up to two on each of the 17 ports that the requirement passes.
	fewestConnections = 50
	mostConnections   = 60000

	defaultNewcomers = 500
	fewestNewcomers  = 10
	mostNewcomers    = 1000
)

func readClientLimits(s *section) ClientLimits {
	l := ClientLimits{Connections: s.number("connections", defaultConnections, fewestConnections, mostConnections,
		"an MFD needs some 40 at once, and one address has no more than some 60,000 ports; a limit stops what is broken, not what is busy")}
	s.finish()
	return l
}

// readNewcomers reads how many unknown MFDs are let in a second, by all groups
// together.
func readNewcomers(s *section) int {
	n := s.number("newcomers", defaultNewcomers, fewestNewcomers, mostNewcomers,
		"20,000 are let in at once whatever the rate; with more a second, first packets that nobody follows up would fill the source ports of a masked group")
	s.finish()
	return n
}
