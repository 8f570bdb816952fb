package balance

import "fmt"

// Cause is why a client is on its node.
type Cause uint8

// The causes.
const (
	// FirstContact: the client was not bound, and the plan dealt it.
	FirstContact Cause = iota
	// NodeLeft: its node was Down or gone when it connected again.
	NodeLeft
	// TakenOut: a person had taken its node out of service, which was well.
	TakenOut
	// Operator: a person moved it.
	Operator
	// Remembered: it was bound before the box or the daemon started.
	Remembered
	// Unexplained: it changed nodes inside its window with no cause known
	// here. It must not happen, and is told as a fault when it does.
	Unexplained
)

// String is the cause as files keep it; see ParseCause.
func (c Cause) String() string {
	switch c {
	case FirstContact:
		return "first contact"
	case NodeLeft:
		return "node left"
	case TakenOut:
		return "node taken out"
	case Operator:
		return "operator"
	case Remembered:
		return "remembered"
	}
	return "unexplained"
}

// ParseCause is the cause that a file names; false for a word of another version.
func ParseCause(word string) (Cause, bool) {
	for c := FirstContact; c <= Unexplained; c++ {
		if c.String() == word {
			return c, true
		}
	}
	return Remembered, false
}

// Why is why a client is on its node: the cause, and the node it came from.
type Why struct {
	Cause Cause
	From  NodeID // for NodeLeft, TakenOut, Operator and Unexplained; 0 if it was on none
}

// Text says the cause in words; name gives the names of nodes.
func (w Why) Text(name func(NodeID) string) string {
	from := ""
	if w.From != 0 {
		from = name(w.From)
	}
	switch w.Cause {
	case FirstContact:
		return "fewest connections at its first contact"
	case NodeLeft:
		return fmt.Sprintf("moved from %s, which did not serve", from)
	case TakenOut:
		return fmt.Sprintf("moved from %s, which was taken out of service", from)
	case Operator:
		return "moved by the operator"
	case Remembered:
		return "was bound here before the restart"
	}
	return fmt.Sprintf("changed from %s for no known reason", from)
}
