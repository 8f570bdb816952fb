package acceptance

import (
	"testing"

	"spoolgate/tools/lab/mfd"
	"spoolgate/tools/lab/site"
)

// C11, first part: a new MFD opens all its ports at the same moment and reaches
// one node.
func TestNewMFDThatOpensAllPortsAtOnceReachesOneNode(t *testing.T) {
	p := open(t, site.Options{Nodes: 2, MFDs: 20})
	ports := append(mfd.TerminalPorts(), 5610)
	for i, m := range p.MFDs {
		all, err := m.ConnectAll(t.Context(), ports[:15])
		p.must(err)
		for _, c := range all {
			if c.Node != all[0].Node {
				t.Errorf("MFD %d is on %s and %s", i, all[0].Node, c.Node)
			}
		}
		mfd.CloseAll(all)
	}
}
