package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"spoolgate/firmware/health/flight"
)

// Another program may read the copies, or the kernel refuse them for a while.
func TestPacketsOfProbesAreRecordedAgainOnceTheKernelGivesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		tries := 0
		e := &Engine{flights: flight.NewRecorder(time.Now), opts: Options{
			Log: slog.New(slog.NewTextHandler(&logged, nil)),
			FollowProbes: func(ctx context.Context, begun func(), _ func(time.Time, []byte)) error {
				tries++
				if tries == 3 {
					begun()
					<-ctx.Done()
					return nil
				}
				return errors.New("busy")
			},
		}}
		released := false
		ended := make(chan struct{})
		go func() {
			e.followProbes(ctx, func() { released = true })
			close(ended)
		}()
		synctest.Wait()
		if tries != 1 || !released {
			t.Errorf("after %d tries probes may leave: %v", tries, released)
		}
		time.Sleep(2 * followAgain)
		synctest.Wait()
		if got := logged.String(); tries != 3 || strings.Count(got, "not recorded") != 1 || strings.Count(got, "recorded again") != 1 {
			t.Errorf("%d tries, the log: %s", tries, got)
		}
		stop()
		<-ended
	})
}
