package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Line int    `json:"line,omitempty"` // in the file, from 1; 0 when the problem has no one line
	Key  string `json:"key"`            // its path, such as group[1].node[2].address
	What string `json:"what"`           // is wrong
	Why  string `json:"why,omitempty"`  // the rule that it breaks, in the requirement's words where it has some
	Do   string `json:"do"`             // to mend it
}

func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Key != "" {
		fmt.Fprintf(&b, "%s: ", p.Key)
	}
	b.WriteString(p.What)
	if p.Why != "" {
		fmt.Fprintf(&b, "; %s", p.Why)
	}
	fmt.Fprintf(&b, ". %s.", p.Do)
	return b.String()
}

// Problems is every problem of a configuration, in the order of the file.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func itoa(n int) string { return strconv.Itoa(n) }
