package acceptance

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
)

var (
	randomFor  = flag.Duration("random", 20*time.Second, "how long failures are made at random")
	randomSeed = flag.Uint64("seed", 0, "of the failures at random; 0 is another one each time")
)

// truth is what is the matter with a node in fact.
type truth struct {
	killed, cable, firewall bool
	stopped                 map[uint16]bool
	drained                 bool
	moved                   int // how often its MFDs had a reason to leave
}

func (n *truth) answers() bool { return !n.killed && !n.cable && !n.firewall && len(n.stopped) == 0 }

// chaos makes failures and checks what the box makes of them.
type chaos struct {
	*place
	random *rand.Rand
	nodes  []*truth
	where  []int // node of each MFD, at its last visit; -1 before
	then   []int // how often that node had been left by then
}

// Every failure that a site has, at random, one after the other: after each the box
// says of every node what is true, MFDs reach only nodes that serve, and none leaves
// a node that has served it all along. -random 10m is the long run.
func TestNoFailureAtRandomLeadsToAWrongState(t *testing.T) {
	t.Parallel()
	seed := *randomSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	p := open(t, site.Options{Nodes: 3, MFDs: 12}, `checks.up_delay = "200ms"`, `checks.interval = "150ms"`, `checks.timeout = "120ms"`)
	c := &chaos{place: p, random: rand.New(rand.NewPCG(seed, 0)), where: make([]int, 12), then: make([]int, 12)}
	for i := range c.where {
		c.where[i] = -1
	}
	for range p.Nodes {
		c.nodes = append(c.nodes, &truth{stopped: map[uint16]bool{}})
	}
	c.settle("at the beginning")
	steps := 0
	for end := time.Now().Add(*randomFor); time.Now().Before(end) && !t.Failed(); steps++ {
		c.settle(fmt.Sprintf("step %d, %s", steps, c.fail()))
	}
	t.Logf("%d failures", steps)
	for _, r := range p.reports() {
		if r.Event.Kind == event.ClientFault {
			t.Errorf("%+v", r.Event)
		}
	}
}

// fail breaks or mends something, and says what.
func (c *chaos) fail() string {
	i := c.random.IntN(len(c.nodes))
	n, name := c.nodes[i], string(rune('A'+i))
	was := n.answers() && !n.drained
	what := ""
	switch c.random.IntN(9) {
	case 0:
		what = toggle(&n.killed, "kill", "start") + " " + name
		if n.killed {
			c.must(c.Nodes[i].Kill())
		} else {
			c.must(c.StartNode(i))
			clear(n.stopped)
		}
	case 1, 2:
		if n.killed {
			return "nothing"
		}
		s := []uint16{node.SPOC, node.TS}[c.random.IntN(2)]
		if n.stopped[s] {
			delete(n.stopped, s)
			c.must(c.Nodes[i].StartService(s))
			what = fmt.Sprintf("start port %d of %s", s, name)
		} else {
			n.stopped[s] = true
			c.must(c.Nodes[i].StopService(s))
			what = fmt.Sprintf("stop port %d of %s", s, name)
		}
	case 3:
		if what = toggle(&n.cable, "pull the cable of", "put the cable of") + " " + name; n.cable {
			c.must(c.PullCable(i))
		} else {
			c.must(c.PutCable(i))
		}
	case 4:
		how := []string{"drop", "reject", "reject with tcp reset"}[c.random.IntN(3)]
		if what = toggle(&n.firewall, how+" by the firewall of", "open the firewall of") + " " + name; n.firewall {
			c.shell(i, "nft 'table inet chaos { chain in { type filter hook input priority 0; tcp dport { 5022, 5555 } "+how+"; }; }'")
		} else {
			c.shell(i, "nft delete table inet chaos")
		}
	case 5:
		verb := []api.DrainVerb{api.DrainGently, api.MoveNow, api.StopNow}[c.random.IntN(3)]
		if what = toggle(&n.drained, "drain "+string(verb), "return") + " " + name; n.drained {
			_, err := c.box.Drain(c.Context(), "print", name, api.DrainRequest{Verb: verb, Force: true})
			c.must(err)
		} else {
			_, err := c.box.Return(c.Context(), "print", name)
			c.must(err)
		}
	case 6:
		c.must(c.box.Kill())
		c.must(c.box.Start())
		what = "kill the balancer"
	case 7:
		c.must(c.box.Reload())
		what = "reload"
	default:
		seq := c.now()
		_, err := c.box.Namespace.Output("nft", "flush", "ruleset")
		c.must(err)
		c.awaitEvent("the rules are back", seq, func(e api.Event) bool { return e.Kind == event.KernelFault && e.Severity == event.Notice })
		what = "flush the rules"
	}
	if was && !(n.answers() && !n.drained) {
		n.moved++
	}
	return what
}

func toggle(b *bool, on, off string) string {
	if *b = !*b; *b {
		return on
	}
	return off
}

// settle waits until the box says what is true, and visits from every MFD.
func (c *chaos) settle(when string) {
	c.Helper()
	serving := map[int]bool{}
	for i, n := range c.nodes {
		want := api.Down
		if n.answers() {
			want = api.Up
		}
		c.awaitNode(i, fmt.Sprintf("%s after %s", want, when), func(s api.Node) bool {
			return s.Health == want && (s.Service == api.InService) == !n.drained
		})
		serving[i] = n.answers() && !n.drained
	}
	some := serving[0] || serving[1] || serving[2]
	for i, m := range c.MFDs {
		conn, err := m.Connect(c.Context(), 5011)
		if err != nil {
			if some {
				c.Errorf("%s: MFD %d is not served: %v", when, i, err)
			}
			continue
		}
		at := int(conn.Node[0] - 'A')
		c.must(conn.Close())
		n := c.nodes[at]
		switch was := c.where[i]; {
		case !n.answers():
			c.Errorf("%s: MFD %d reached %s, which is not Up", when, i, conn.Node)
		case !serving[at] && was != at:
			c.Errorf("%s: MFD %d came to %s, which is drained", when, i, conn.Node)
		case was >= 0 && was != at && serving[was] && c.nodes[was].moved == c.then[i]:
			c.Errorf("%s: MFD %d left %c, which served all along, for %s", when, i, 'A'+was, conn.Node)
		}
		c.where[i], c.then[i] = at, n.moved
	}
}
