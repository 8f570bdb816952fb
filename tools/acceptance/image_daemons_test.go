package acceptance

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/tools/lab/mfd"
)

// G32, on the real image: each daemon is killed in turn, then each is frozen
// before the last one is back, while MFDs hold connections, open others and send
// scans.
func (b *boxed) outlivesItsDaemons() {
	stop := b.traffic(b.MFDs[:3], emulated)
	stopScans := b.scans(b.MFDs[3])
	rest := b.MFDs[4:]
	before := b.landings(rest, 5011)
	names := []string{"netd", "balancerd", "paneld", "reportd", "webd"}
	var killed []api.Daemon
	for _, name := range names {
		first := b.daemon(name)
		b.shell(fmt.Sprintf("kill -9 %d", first.PID))
		b.same(name+" was killed", before, b.landings(rest, 5012))
		killed = append(killed, b.awaitRestart(first))
	}
	for _, d := range killed {
		b.shell(fmt.Sprintf("kill -SIGSTOP %d", d.PID))
		b.same(d.Name+" hangs", before, b.landings(rest, 5013))
	}
	for _, d := range killed {
		frozen := b.awaitRestart(d)
		if !strings.Contains(frozen.LastExit, "gave no sign of life") {
			b.Errorf("%s hung and ended by %q", d.Name, frozen.LastExit)
		}
	}
	b.same("all hung", before, b.landings(rest, 5014))
	for _, name := range names {
		b.awaitWord("spoolctl events", name+" was restarted (")
	}
	stopScans()
	stop()
	if out := b.shell("spoolctl events"); strings.Contains(out, "no known reason") {
		b.Errorf("an MFD changed nodes:\n%s", out)
	}
}

// emulated is the pause between two visits of an MFD: the processor of QEMU is
// slow enough that printers without a pause leave nothing of it to the daemons.
const emulated = 100 * time.Millisecond

// restartTime bounds a daemon's return, its time to be missed included.
const restartTime = 3 * time.Minute

// awaitRestart waits until a daemon runs as another process than before.
func (b *boxed) awaitRestart(old api.Daemon) api.Daemon {
	b.Helper()
	for end := time.Now().Add(restartTime); ; b.shell("sleep 0.2") {
		d := b.daemon(old.Name)
		if d.State == api.DaemonRunning && d.PID != old.PID {
			return d
		}
		if time.Now().After(end) {
			b.Fatalf("%s did not come back: %+v", old.Name, d)
		}
	}
}

// scans has an MFD send one scan after the other, by FTP and WebDAV, until the
// returned function is called, which fails if one of them did.
func (b *boxed) scans(m *mfd.MFD) (stop func()) {
	b.Helper()
	ended := make(chan struct{})
	var all sync.WaitGroup
	var failed error
	done := 0
	all.Go(func() {
		const size = 64 << 10
		for ; failed == nil; done++ {
			select {
			case <-ended:
				return
			case <-time.After(2 * emulated):
			}
			switch done % 3 {
			case 0:
				_, failed = m.FTP(b.ctx, mfd.PASV, size)
			case 1:
				_, failed = m.FTP(b.ctx, mfd.EPSV, size)
			default:
				_, failed = m.WebDAV(b.ctx, size, 0)
			}
		}
	})
	return func() {
		b.Helper()
		close(ended)
		all.Wait()
		if failed != nil {
			b.Errorf("scan %d of %s: %v", done, m.Address, failed)
		}
		b.Logf("%d scans", done)
	}
}
