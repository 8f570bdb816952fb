// Package panel is the front panel: what each lamp shows, how its pattern
// blinks, and what a press of the button means. It is what the program paneld
// runs; the rules are pure and take the time as a parameter.
package panel

import "spoolgate/firmware/api"

// show is what a lamp shows for one state.
type show struct {
	pattern api.Pattern
	colour  api.Colour
}

// The table of the panel. A state is told by its pattern alone within the box
// lamp and within the node lamps.
var (
	boxShows = map[api.BoxState]show{
		api.OK:             {api.Steady, api.Green},
		api.Updating:       {api.Slow, api.Green},
		api.Standby:        {api.DoubleFlash, api.Amber},
		api.NoSpare:        {api.Slow, api.Amber},
		api.NothingServing: {api.Fast, api.Red},
	}
	healthShows = map[api.Health]show{
		api.Up:       {api.Steady, api.Green},
		api.Starting: {api.Slow, api.Green},
		api.Checking: {api.Slow, api.Amber},
		api.Unknown:  {api.Slow, api.Amber},
		api.Down:     {api.Fast, api.Red},
	}
)

// boxLabel is the label of the lamp of the whole box.
const boxLabel = "box"

// Lamps returns what the panel shows for a state of the balancer: the box
// first, then the nodes in the order of the configuration. nil means that the
// balancer does not answer, which is a fault once the box has booted.
func Lamps(s *api.Snapshot, booted bool) []api.Lamp {
	if s == nil {
		if !booted {
			return []api.Lamp{lit(boxLabel, show{api.Slow, api.Green}, "booting")}
		}
		return []api.Lamp{lit(boxLabel, boxShows[api.NothingServing], "firmware fault: the balancer does not answer")}
	}
	out := []api.Lamp{lit(boxLabel, boxShows[s.Box.State], string(s.Box.State))}
	for _, g := range s.Groups {
		for _, n := range g.Nodes {
			label := n.Name
			if len(s.Groups) > 1 {
				label = g.Name + "/" + n.Name
			}
			out = append(out, nodeLamp(label, n))
		}
	}
	return out
}

func nodeLamp(label string, n api.Node) api.Lamp {
	switch {
	case n.Health == api.Down:
		// A node that is taken out and fails as well is Down to whoever stands
		// in front of it.
		return lit(label, healthShows[api.Down], "Down")
	case n.Service != api.InService:
		return lit(label, show{api.DoubleFlash, api.Amber}, string(n.Service))
	}
	return lit(label, healthShows[n.Health], string(n.Health))
}

func lit(label string, s show, meaning string) api.Lamp {
	return api.Lamp{Label: label, Pattern: s.pattern, Colour: s.colour, Meaning: meaning}
}
