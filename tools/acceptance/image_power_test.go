package acceptance

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"spoolgate/tools/lab/mfd"
)

// C15, on the real image: the power fails under traffic, then during the start.
func (b *boxed) keepsBindingsOverPowerCuts() {
	before := b.landings(b.MFDs, 5011)
	// What an operator does is written at once, and everything else with it; flash
	// takes its time.
	b.shell("spoolctl drain B gently; spoolctl return B; sleep 3")
	stop := b.hammer(b.MFDs)
	<-time.After(time.Duration(rand.IntN(2000)) * time.Millisecond)
	b.image.CutPower()
	stop()
	b.must(b.image.PowerOn(b.ctx))
	early := time.Duration(rand.IntN(9000)) * time.Millisecond
	<-time.After(early)
	b.image.CutPower()
	b.Logf("the second cut came %v after power-on", early)

	b.must(b.image.PowerOn(b.ctx))
	b.waitServing()
	b.same("after the power cuts", before, b.landings(b.MFDs, 5012))
	b.waitUp()
	if s := b.services(); s.Boot.LastEnd != "power" || len(s.Boot.Problems) > 0 {
		b.Errorf("came up as %+v", s.Boot)
	}
	if out := b.shell("spoolctl status"); !strings.Contains(out, "OK") {
		b.Errorf("the configuration is not what it was:\n%s", out)
	}
}

// hammer opens connections from all MFDs as fast as they go; that they break
// when the power does is no fault.
func (b *boxed) hammer(mfds []*mfd.MFD) (stop func()) {
	ended := make(chan struct{})
	var all sync.WaitGroup
	for _, m := range mfds {
		all.Go(func() {
			for {
				select {
				case <-ended:
					return
				case <-time.After(10 * time.Millisecond):
				}
				if c, err := m.Connect(b.ctx, 5015); err == nil {
					c.Close()
				}
			}
		})
	}
	return func() { close(ended); all.Wait() }
}
