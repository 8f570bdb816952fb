package main

import (
	"context"
	"fmt"

	"spoolgate/tools/bench/arena"
	"spoolgate/tools/bench/load"
	"spoolgate/tools/bench/measure"
)

// fail measures what clients feel of a node that fails.
func fail(ctx context.Context, args []string) error {
	o, err := parseRounds("bench failure", 3, args)
	if err != nil {
		return err
	}
	trials := measure.Trials()
	t, err := o.inArena(ctx, func(a arena.Options) (all []entry) {
		for _, c := range arena.Failover() {
			all = append(all, entry{c.Name, func(ctx context.Context) ([]measure.Value, error) {
				return measure.Failures(ctx, a, c, trials, progress)
			}})
		}
		return all
	})
	if err != nil {
		return err
	}
	var charted []string
	for _, trial := range trials {
		if trial.Interval == trials[0].Interval {
			charted = append(charted, trial.Name(measure.LastByteToEnd+", slowest"), trial.Name(measure.Landing+", slowest"))
		}
	}
	return show(t, o, "failure", nil, nil, charted, conditions(trials[0]), keepalived, versions("haproxy"))
}

func conditions(t measure.Trial) string {
	return fmt.Sprintf(`%d clients of %d nodes, of which one fails. Each makes short connections, one every %s after the one before; %d hold two more, of which one
carries data both ways and one is idle. A client whose attempt fails tries again after %s; it gives up to connect, or to wait for an
answer, after %s. "Never" is: not within three intervals and 10 s. The node fails at any moment between two checks. Three failed checks in a
row make it count as dead, for all who check; a check that is not answered fails after half an interval, and after 2.5 s at most.
DNAT by hash checks nothing: it shows what nodes and kernels do by themselves.
HAProxy has "option redispatch", and waits for connections and checks as long as Spoolgate's checks do ("timeout connect", "timeout check");
"cutting" adds "on-marked-down shutdown-sessions", "watching" to that "observe layer4 error-limit 1 on-error fastinter fastinter 1s", so that a
failed connection has the node checked once a second, as Spoolgate does by itself.`,
		t.MFDs+t.Others, measure.FailureNodes, load.Pause, t.MFDs, load.Retry, load.Giveup)
}

// keepalived says why it is not in the table.
const keepalived = `keepalived 2.2.7 (LVS) is not measured: it ends at once where the kernel has no IPVS. By its documents, it checks each server every delay_loop and
takes it out after retry more failures (keepalived.conf(5)); what happens to connections of a server that was taken out is the kernel's:
with expire_nodest_conn at its default of 0 their packets are dropped silently, with 1 a connection ends when its client sends next; a client
stays on a server of weight 0 for as long as it is persistent unless expire_quiescent_template is set (Linux, Documentation/networking/ipvs-sysctl.rst).`
