package network

import (
	"context"
	"net/http"
	"strings"

	"spoolgate/firmware/api"
)

// replaced is the answer of a network after which another one runs.
func replaced() error {
	return &api.Error{Status: http.StatusServiceUnavailable, What: "another configuration is being taken over", Do: "Ask again"}
}

// Outcome says how the configuration is followed, once Run has looked at the
// interfaces: with what troubles, such as a cable that is out, or an error when an
// interface can't be had at all.
func (n *Network) Outcome(ctx context.Context) (api.Done, error) {
	type found struct {
		troubles []string
		absent   bool
	}
	answer := make(chan found, 1)
	n.do(ctx, func() {
		var f found
		for _, p := range n.ports {
			if p.trouble != "" {
				f.troubles = append(f.troubles, p.role+": "+p.trouble)
			}
			f.absent = f.absent || p.absent
		}
		answer <- f
	})
	select {
	case f := <-answer:
		why := strings.Join(f.troubles, "; ")
		switch {
		case f.absent:
			return api.Done{}, &api.Error{Status: http.StatusConflict, What: "the new configuration is in use, and not all of it can be followed: " + why}
		case why != "":
			return api.Done{Text: "the addresses follow the new configuration; " + why}, nil
		}
		return api.Done{Text: "the addresses follow the new configuration"}, nil
	case <-n.ended:
		return api.Done{}, replaced()
	case <-ctx.Done():
		return api.Done{}, ctx.Err()
	}
}
