package measure_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/measure"
)

// Whichever way a node fails, its clients are served by another one, one each; nobody
// else notices. Times are for make bench-failure.
func TestClientsOfANodeThatFailsAreServedByAnother(t *testing.T) {
	o := hasty(t)
	for name, failures := range map[string][]arena.Failure{
		"Spoolgate masked":      arena.Failures(),
		"Spoolgate transparent": {arena.PoweredOff},
		"HAProxy watching":      {arena.PoweredOff},
	} {
		for _, f := range failures {
			t.Run(name+"/"+string(f), func(t *testing.T) {
				t.Parallel()
				values, err := fail(t, o, contestant(name), measure.Trial{Failure: f, Interval: 200 * time.Millisecond, MFDs: 6, Others: 12, Limit: time.Minute})
				if err != nil || len(values) == 0 {
					t.Errorf("%d values, %v", len(values), err)
				}
			})
		}
	}
}

// A contestant that promises to move clients and does not is found out: nftables alone
// leaves them where they were.
func TestClientsThatAreNeverServedAgainAreAnError(t *testing.T) {
	c := contestant("DNAT by hash")
	c.Moving = true
	_, err := fail(t, options(), c, measure.Trial{Failure: arena.PoweredOff, Interval: time.Second, MFDs: 6, Others: 12, Limit: time.Second})
	if err == nil || !strings.Contains(err.Error(), "were not served any more") {
		t.Error(err)
	}
}

func contestant(name string) arena.Contestant {
	all := arena.Failover()
	return all[slices.IndexFunc(all, func(c arena.Contestant) bool { return c.Name == name })]
}

func fail(t *testing.T, o arena.Options, c arena.Contestant, trial measure.Trial) ([]measure.Value, error) {
	t.Helper()
	return attempt(t, o, func(o arena.Options) ([]measure.Value, error) {
		return measure.Failures(t.Context(), o, c, []measure.Trial{trial}, func(what string) { t.Log(what) })
	})
}

// A little churn: no connection fails, and all that is looked at can be seen.
func TestChurnShowsWhatSpoolgateBecomes(t *testing.T) {
	o := options()
	parts := 0
	withLog(t, o, func(o arena.Options) ([]measure.Value, error) {
		c := measure.Churn{For: 2 * time.Second, Every: time.Second, Warming: 1, Known: 100, New: 2}
		if err := c.Check(); err != nil {
			return nil, err
		}
		return nil, c.Run(t.Context(), o, func(values []measure.Value) {
			parts++
			for _, v := range values {
				if v.Value <= 0 {
					t.Errorf("%s: %v", v.Name, v.Value)
				}
			}
		})
	})
	if parts != 2 {
		t.Errorf("%d parts were told, want 2", parts)
	}
}
