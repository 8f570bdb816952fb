package arena

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// misses are the failed checks in a row that make a node count as dead, for all who
// check.
const misses = 3

// interval is that of the checks.
func (a *Arena) interval() time.Duration {
	if a.Interval == 0 {
		return 5 * time.Second
	}
	return a.Interval
}

// checkTimeout is how long one check may take: Spoolgate's default.
func (a *Arena) checkTimeout() time.Duration { return min(2500*time.Millisecond, a.interval()/2) }

// Failover are those that are compared by what clients feel of a node that fails.
//
// HAProxy breaks its persistence for a client whose node refuses it, and was seen to
// have such a client served by two nodes, so that is counted and no error. It cuts the
// connections of a dead node only when it is told to. When it is told to watch its own
// connections, one that fails has the node checked once a second, which is what
// Spoolgate does by itself.
func Failover() []Contestant {
	const cut = "on-marked-down shutdown-sessions"
	proxy := func(name string, cutting bool, words ...string) Contestant {
		return Contestant{Name: name, Target: VIP, Masked: true, Proxy: true, Moving: true, Cutting: cutting,
			start: haproxy(care{redispatches: true, server: strings.Join(words, " ")})}
	}
	transparent := Contestant{Name: "Spoolgate transparent", Target: VIP, Sticky: true, Moving: true, Cutting: true, Ours: true, start: spoolgate("transparent")}
	return []Contestant{
		{Name: "DNAT by hash", Target: VIP, Sticky: true, start: hash},
		transparent,
		Masked(),
		proxy("HAProxy", false),
		proxy("HAProxy cutting", true, cut),
		proxy("HAProxy watching", true, cut, "fastinter 1s observe layer4 error-limit 1 on-error fastinter"),
	}
}

// hash is what nftables does alone: the client's address decides for ever.
func hash(_ context.Context, a *Arena) error {
	var shares []string
	for i := range a.Nodes {
		shares = append(shares, fmt.Sprintf("%d : %s", i, Node(i)))
	}
	return a.rules(a.box, "rules.nft", fmt.Sprintf(`table ip static {
		chain pre {
			type nat hook prerouting priority -100;
			ip daddr %s tcp dport 5011-5025 dnat to jhash ip saddr mod %d map { %s }
		}
	}`, VIP, a.Nodes, strings.Join(shares, ", ")))
}
