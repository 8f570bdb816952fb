package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/phrase"
)

func flights(ctx context.Context, c *call) error {
	group, node, err := c.node(ctx, c.args[0])
	if err != nil {
		return err
	}
	all, err := c.Flights(ctx, group, node)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(all)
	}
	err = c.table(func(w io.Writer) {
		fmt.Fprint(w, "TIME\tPORT\tFROM\tOUTCOME\tSYN\t+SYN-ACK µs\t+RST µs\tREPEATS\tDETAIL\n")
		for _, f := range all.Flights {
			left := "-"
			if !f.SYN.IsZero() {
				left = f.SYN.Local().Format("15:04:05.000000")
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Time.Local().Format("15:04:05.000"), f.Port, counted(int(f.SourcePort)), f.Outcome,
				left, after(f.SYN, f.SYNACK), after(f.SYNACK, f.RST), counted(f.Repeats), detail(f))
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s repeated its SYN-ACK %s after our RST since the balancer started.\n", all.Node, phrase.Count(int(all.Repeats), "time"))
	return nil
}

// after is the time between two packets in microseconds.
func after(before, then time.Time) string {
	if before.IsZero() || then.IsZero() {
		return "-"
	}
	return strconv.FormatInt(then.Sub(before).Microseconds(), 10)
}

// counted is a number of which there is mostly none.
func counted(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func detail(f api.Flight) string {
	if f.Resent == 0 {
		return f.Detail
	}
	return strings.TrimPrefix(fmt.Sprintf("%s; SYN sent again: %d", f.Detail, f.Resent), "; ")
}

func pcap(ctx context.Context, c *call) error {
	group, node, err := c.node(ctx, c.args[0])
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if err := c.Pcap(ctx, group, node, &file); err != nil {
		return err
	}
	if err := os.WriteFile(c.args[1], file.Bytes(), 0o644); err != nil {
		return fmt.Errorf("the packets of %s are not kept: %w", node, err)
	}
	return c.done(api.Done{Text: fmt.Sprintf("the packets of the last probes of %s are in %s; open it with Wireshark, or say tcpdump -nr %s", node, c.args[1], c.args[1])}, nil)
}
