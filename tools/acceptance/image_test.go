package acceptance

import (
	"context"
	"testing"
	"time"

	"spoolgate/tools/lab/site"
	"spoolgate/tools/vm"
)

// bootTime is how long a box under emulation may take on a busy machine; what
// it should take is measured, not tested.
const bootTime = 2 * time.Minute

// boxed is a site around the real image in QEMU.
type boxed struct {
	*testing.T
	*site.Site
	box *site.VirtualBox
	ctx context.Context
}

func openBoxed(t *testing.T, o site.Options, group ...string) *boxed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	t.Cleanup(cancel)
	image, err := vm.BuildImage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	o.Program = program("lab")
	s, err := site.New(o)
	if err != nil {
		t.Fatal(err)
	}
	b := &boxed{T: t, Site: s, ctx: ctx}
	t.Cleanup(func() {
		if b.box != nil {
			b.box.CutPower()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	start := time.Now()
	b.box, err = s.AddVirtualBox(ctx, image, s.Config(group...), func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	b.waitServing()
	t.Logf("from power-on to the first MFD served: %.1f s", time.Since(start).Seconds())
	return b
}

// waitServing has a printer try until it is served, as printers do.
func (b *boxed) waitServing() {
	b.Helper()
	deadline := time.Now().Add(bootTime)
	for {
		c, err := b.MFDs[0].Connect(b.ctx, 5011)
		if err == nil {
			c.Close()
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

func TestImageBootsAndServesMFDs(t *testing.T) {
	b := openBoxed(t, site.Options{Nodes: 2, MFDs: 4}, `checks.interval = "1s"`, `checks.timeout = "500ms"`, `checks.up_delay = "10s"`)
	nodes := map[string]int{}
	for _, m := range b.MFDs {
		c, err := m.Connect(b.ctx, 5012)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Exchange(); err != nil {
			t.Error(err)
		}
		if c.Client.Addr() != site.VIP {
			t.Errorf("node %s sees %s, want the virtual address", c.Node, c.Client)
		}
		nodes[c.Node]++
	}
	if nodes["A"] != 2 || nodes["B"] != 2 {
		t.Errorf("four MFDs landed on %v", nodes)
	}
}
