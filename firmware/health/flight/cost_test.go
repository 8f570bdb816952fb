package flight

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkProbe tells what a probe costs in time of the CPU, the work of the
// kernel for both ends included, without a recorder and with one.
func BenchmarkProbe(b *testing.B) {
	for _, recorded := range []bool{false, true} {
		name := "alone"
		if recorded {
			name = "recorded"
		}
		b.Run(name, func(b *testing.B) {
			bench := newBench(b)
			bench.listen(ts)
			bench.answered(nodeIP4, ts)
			if !recorded {
				bench.prober.Departs = nil
				bench.Shell(bench.box, "nft delete table inet guard")
			}
			target := netip.AddrPortFrom(nodeIP4, ts)
			bench.Must(bench.box.Do(func() error {
				before := spent()
				for b.Loop() {
					p := bench.prober.Probe(context.Background(), target)
					if recorded {
						bench.recorder.Land(target, p)
					}
				}
				b.ReportMetric(float64((spent()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
				return nil
			}))
		})
	}
}

// spent is the CPU time of this process so far.
func spent() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
