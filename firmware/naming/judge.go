package naming

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"spoolgate/firmware/api"
)

// judge says what is wrong with the answers about a name and its address.
func judge(c *api.NameCheck) {
	if c.Name == "" {
		if len(c.Reverse) > 0 && !slices.Contains(c.Forward, c.Address) {
			c.ForwardWrong = fmt.Sprintf("%s is named %s, and that name does not lead back to it, says %s", c.Address, c.Reverse[0], c.Resolver)
		}
		return
	}
	judgeReverse(c)
	judgeForward(c)
}

// ofGroup reports whether the name and the address are a group's: these stand for each
// other and for nothing else. A server may have more addresses, and more names.
func ofGroup(c api.NameCheck) bool { return c.Group != "" && c.Node == "" }

func judgeReverse(c *api.NameCheck) {
	record := fmt.Sprintf("add a PTR record for %s -> %s", c.Address, c.Name)
	switch named := slices.Contains(c.Reverse, c.Name); {
	case len(c.Reverse) == 0:
		c.ReverseWrong = fmt.Sprintf("%s has no name, says %s: %s", c.Address, c.Resolver, record)
	case !named:
		c.ReverseWrong = fmt.Sprintf("%s is named %s and not %s, says %s: %s in place of it", c.Address, strings.Join(c.Reverse, ", "), c.Name, c.Resolver, record)
	case len(c.Reverse) > 1 && ofGroup(*c):
		c.ReverseWrong = fmt.Sprintf("%s has several names, says %s: %s; leave only %s", c.Address, c.Resolver, strings.Join(c.Reverse, ", "), c.Name)
	}
}

func judgeForward(c *api.NameCheck) {
	switch leads := slices.Contains(c.Forward, c.Address); {
	case len(c.Forward) == 0:
		c.ForwardWrong = fmt.Sprintf("%s has no address, says %s: add an A record %s -> %s", c.Name, c.Resolver, c.Name, c.Address)
		if ofGroup(*c) {
			c.ForwardWrong += ", or delegate the name to this box"
		}
	case !leads:
		c.ForwardWrong = fmt.Sprintf("%s is %s and not %s, says %s: correct its A record", c.Name, list(c.Forward), c.Address, c.Resolver)
	case len(c.Forward) > 1 && ofGroup(*c):
		c.ForwardWrong = fmt.Sprintf("%s has several addresses, says %s: %s; leave only %s, or MFDs go to the others", c.Name, c.Resolver, list(c.Forward), c.Address)
	}
}

func list(addresses []netip.Addr) string {
	var out []string
	for _, a := range addresses {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}
