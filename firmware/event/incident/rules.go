package incident

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// rule is what is said of a kind of trouble. Kinds without one follow the general
// rule: an event that is a warning or worse begins an incident of its kind, group
// and node, and a lesser one of the same ends it.
type rule struct {
	// of is the kind whose incident the event ends, where it is another.
	of string
	// within is the kind whose open incident of the same node explains this one.
	within string
	// single trouble has no event of its end: it is over when it has not
	// happened again for a while.
	single bool
	name   string // the title; from the event when empty
	do     string
}

var rules = map[string]rule{
	event.NodeDown: {do: "Look whether the server is on and its services run, and whether a firewall lets this box reach the probed ports. " +
		"It takes MFDs again by itself when it has answered for the up-delay; one that an operator has drained or stopped stays out until it is returned, too: spoolctl return NODE"},
	event.GroupState:       {do: "Bring another node into service, or find out why it does not serve"},
	event.GroupUnreached:   {do: "Find the machine that has the address and give it another one, or put the cable of the service interface in: the cause says which"},
	event.GroupDisputed:    {do: "Find the machine by its MAC address, which the cause names, and give it another IP address"},
	event.NodeCheck:        {within: event.NodeDown},
	event.BoxSuspicion:     {name: "This box reaches none of its nodes", do: "Check the cable, the switch port and the VLAN of the service interface"},
	event.ServiceRestarted: {single: true, do: "Nothing, if it stays the only time: no MFD noticed. Save a support bundle (spoolctl support FILE) and report it if it comes back"},
	event.ClientFault:      {single: true, name: "An MFD changed nodes for no known reason", do: "Save a support bundle (spoolctl support FILE) and report it"},
	event.ConfigRefused:    {name: "The configuration that was written is not in use", do: "Correct it; spoolctl config check says what is wrong"},
	event.ConfigChanged:    {of: event.ConfigRefused},
	event.ConfigPlain:      {name: "The configuration has a password that is not encrypted", do: "Put it in place again with spoolctl config apply /data/config.toml, which encrypts it"},
	event.NodeStart:        {single: true, do: "Set the up_delay that spoolctl up-delay proposes: MFDs may reach a server that still starts"},
	event.NodeServices: {within: event.NodeDown, do: "Correct account, password or names under group.services, or the rights of the account on the node; spoolctl services NODE shows what it has. " +
		"The node serves as long as its ports answer"},
	event.ClientLimit: {name: "An MFD has more connections open than one may have", do: "Restart it, or find out which program there opens them. " +
		"If many MFDs arrive behind the address, set limits.connections of the group higher"},
	event.BoxNewcomers: {name: "More unknown addresses call than this box lets in", do: "Find the machine that sends them by its MAC address, at the switch. MFDs that are bound are served as ever"},
	event.BoxBindings: {name: "This box has hardly any room for new MFDs", do: "Look in spoolctl who for addresses that are no MFD's, and find the machine that sends in their name. " +
		"MFDs that are bound are served as ever"},
	event.BoxConnections: {name: "This box has hardly any room for new connections", do: "Look in spoolctl who which addresses have many open, and restart what they are. Open connections go on"},
	event.NameForward:    {do: "Correct the record at the site's name server. MFDs that know the address are served"},
	event.NameReverse:    {do: "Correct the record at the site's name server: the print system looks the reverse up"},
	event.NameServers:    {name: "The site's name servers do not answer", do: "Check them, and naming.resolvers or service.dns. MFDs are served meanwhile"},
	event.KernelFault:    {name: "The kernel does not do what this box wants of it", do: "Nothing, if it ends by itself. Restart the box, and report it, if it lasts"},
	event.EventsFault:    {name: "This box can't keep on its medium what happens", do: "MFDs are served on. Replace the medium"},
	event.JournalFault:   {name: "This box can't keep on its medium who is where", do: "MFDs are served on. Replace the medium: a restart of the box would lose their bindings, and bring drained nodes back into service"},
}

// title is one sentence: what is the matter.
func (r rule) title(k key, ev api.Event) string {
	switch {
	case r.name != "":
		return r.name
	case k.kind == event.NodeDown:
		return fmt.Sprintf("Node %s of group %s is Down", k.node, k.group)
	case k.kind == event.ServiceRestarted:
		return fmt.Sprintf("The program %s of this box was started anew", k.program)
	case k.kind == event.GroupDisputed:
		return fmt.Sprintf("Another machine claims the virtual address of group %s", k.group)
	case k.kind == event.GroupUnreached:
		return fmt.Sprintf("MFDs do not reach group %s at its virtual address", k.group)
	case k.kind == event.GroupState && ev.State == string(api.NothingServing):
		return fmt.Sprintf("No node of group %s takes new MFDs", k.group)
	case k.kind == event.GroupState:
		return fmt.Sprintf("Group %s has no spare node", k.group)
	}
	sentence := ev.Text
	for _, end := range []string{": ", "; ", ". "} {
		// Two words before a colon are whose trouble it is, and not what it is.
		if first, _, found := strings.Cut(sentence, end); found && len(strings.Fields(first)) > 2 {
			sentence = first
		}
	}
	first, size := utf8.DecodeRuneInString(sentence)
	return string(unicode.ToUpper(first)) + sentence[size:]
}

// wentAway is the title of an incident that comes and goes while its trouble is away.
func wentAway(i api.Incident) string {
	if i.Kind == event.NodeDown {
		return fmt.Sprintf("Node %s of group %s went Down more than once", i.Node, i.Group)
	}
	return "It came and went: " + i.Title
}
