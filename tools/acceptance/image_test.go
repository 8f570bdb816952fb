package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/site"
	"spoolgate/tools/vm"
)

// bootTime is how long a box under emulation may take on a busy machine; what
// it should take is measured, not tested.
const bootTime = 2 * time.Minute

// upMarker is what init says when every service said READY.
const upMarker = "spoolgate: services started"

// boxed is a site around the real image in QEMU.
type boxed struct {
	*place
	image *site.VirtualBox
	ctx   context.Context
}

// openBoxed builds a site and switches a box with a configuration on in it.
func openBoxed(t *testing.T, o site.Options, config func(*site.Site) string) *boxed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	image, err := vm.BuildImage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b := &boxed{place: build(t, o), ctx: ctx}
	b.image, err = b.AddVirtualBox(ctx, image, config(b.Site), func(line string) { t.Log(line) })
	b.must(err)
	t.Cleanup(func() { b.image.CutPower() })
	return b
}

// part is a subtest on the same box.
func (b *boxed) part(name string, do func(*boxed)) {
	b.T.Run(name, func(t *testing.T) {
		p, c := *b.place, *b
		p.T = t
		c.place = &p
		do(&c)
	})
}

// waitServing has a printer try until it is served, as printers do.
func (b *boxed) waitServing() {
	b.Helper()
	deadline := time.Now().Add(bootTime)
	for {
		c, err := b.MFDs[0].Connect(b.ctx, 5011)
		if err == nil {
			c.Close()
			b.Logf("from power-on to the first MFD served: %.1f s", time.Since(b.image.PoweredOn).Seconds())
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("the box does not serve: %v", err)
		}
		select {
		case <-b.ctx.Done():
			b.Fatal(b.ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// shell gives the technician's shell a command.
func (b *boxed) shell(command string) string {
	b.Helper()
	out, err := b.image.Run(b.ctx, command)
	b.must(err)
	return out
}

// waitUp waits until init says that all services are up.
func (b *boxed) waitUp() {
	b.Helper()
	_, err := b.image.WaitFor(b.ctx, upMarker)
	b.must(err)
}

func (b *boxed) services() api.Services {
	b.Helper()
	s, err := b.image.Services(b.ctx)
	b.must(err)
	return s
}

func (b *boxed) daemon(name string) api.Daemon {
	b.Helper()
	list := b.services().Services
	i := slices.IndexFunc(list, func(d api.Daemon) bool { return d.Name == name })
	if i < 0 {
		b.Fatalf("there is no daemon %s in %+v", name, list)
	}
	return list[i]
}

// awaitWord types a command until its answer has the word in it.
func (b *boxed) awaitWord(command, word string) string {
	b.Helper()
	for end := time.Now().Add(bootTime); ; {
		out := b.shell(command)
		if strings.Contains(out, word) {
			return out
		}
		if time.Now().After(end) {
			b.Fatalf("%s does not say %q:\n%s", command, word, out)
		}
		b.shell("sleep 0.2")
	}
}

// One box, power-on to power cut: what does not need a boot of its own.
func TestImageAtWork(t *testing.T) {
	b := openBoxed(t, site.Options{Nodes: 2, MFDs: 6}, func(s *site.Site) string {
		return s.BoxConfig(s.Config(`checks.interval = "4s"`, `checks.timeout = "2s"`, `checks.up_delay = "10s"`))
	})
	b.waitServing()
	b.waitUp()
	b.part("MFDs are served", (*boxed).servesMFDs)
	b.part("the lamps tell what happens and the button is heard", (*boxed).showsOnItsPanel)
	b.part("only the listed ports are open", (*boxed).opensOnlyTheListedPorts)
	b.part("daemons that die or hang lose nothing", (*boxed).outlivesItsDaemons)
	b.part("a power cut changes no binding", (*boxed).keepsBindingsOverPowerCuts)
}

func (b *boxed) servesMFDs() {
	// On a busy machine the first probe of a node may be lost: it is Starting then.
	b.awaitWord("spoolctl status", "all 2 nodes serve")
	nodes := map[string]int{}
	for _, m := range b.MFDs[:4] {
		c := b.visit(m, 5012)
		if err := c.Exchange(); err != nil {
			b.Error(err)
		}
		if c.Client.Addr() != site.VIP {
			b.Errorf("node %s sees %s, want the virtual address", c.Node, c.Client)
		}
		nodes[c.Node]++
	}
	// Both take part. How even the dealing is, is shown where the processor is
	// not emulated: there the next MFD may call before the last one was counted.
	if nodes["A"] == 0 || nodes["B"] == 0 {
		b.Errorf("four MFDs landed on %v", nodes)
	}
	b.Logf("memory: %s", strings.Join(strings.Fields(b.shell("grep -e MemTotal -e MemAvailable /proc/meminfo")), " "))
	for _, d := range b.services().Services {
		b.Logf("%s: %s", d.Name, strings.Join(strings.Fields(b.shell(fmt.Sprintf("grep VmRSS /proc/%d/status", d.PID))), " "))
	}
}
