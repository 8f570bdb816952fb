package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/secret"
)

// defaultSocket is where init has the balancer listen.
const defaultSocket = "/run/spoolgate/balancerd.sock"

// call is one invocation of a command.
type call struct {
	*wire.Client
	args    []string
	out     io.Writer
	now     func() time.Time
	json    bool
	force   bool
	follow  bool
	group   string
	to      string    // where the box has its configuration
	netd    string    // socket of netd
	reportd string    // socket of the reporters
	key     string    // file with the key of the box
	named   bool      // the key was, and is not looked for in its usual place
	in      io.Reader // of a file named "-"
}

// command is one word that spoolctl understands.
type command struct {
	name     string
	args     string // as the help shows them
	least    int    // number of arguments
	most     int
	check    func(args []string) error // of what the arguments say; nil if anything goes
	help     string
	run      func(context.Context, *call) error
	flags    []string // of those that only some commands have
	noSocket bool
}

func commands() []command {
	return []command{
		{name: "status", help: "the box, its groups and nodes at a glance", run: status},
		{name: "who", args: "[ADDRESS | NETWORK | NODE]", most: 1, help: "which MFD is on which node, why and since when", run: who},
		{name: "mfd", args: "ADDRESS", least: 1, most: 1, check: isMFD, run: mfd,
			help: "everything known of one MFD: node and why, open connections, last transfers, moves, the address that the nodes see"},
		{name: "rehearse", args: "NODE", least: 1, most: 1, help: "what would follow if a node left now: who moves, and where to", run: rehearse},
		{name: "probes", args: "NODE", least: 1, most: 1, help: "the last 60 probes of each port of a node", run: probes},
		{name: "flights", args: "NODE", least: 1, most: 1, help: "the last 1000 probes of a node as they were on the wire: when the SYN left, and how long after the packet before it SYN-ACK and RST followed", run: flights},
		{name: "pcap", args: "NODE FILE", least: 2, most: 2, help: "write the packets of these probes to a file for Wireshark or tcpdump", run: pcap},
		{name: "services", args: "NODE", least: 1, most: 1, run: services,
			help: "the Windows services that a node has, those that are watched marked"},
		{name: "test", args: "NODE", least: 1, most: 1, help: "probe a node now", run: test},
		{name: "up-delay", help: "how long the nodes took to start, and which up_delay that speaks for", run: upDelay},
		{name: "drain", args: "NODE gently|move|stop", least: 2, most: 2, flags: []string{"force"}, check: isVerb, run: drain,
			help: "take a node out: gently (bound MFDs stay until their window ends), move (they move at their next connection, open ones finish), stop (open connections are cut)"},
		{name: "return", args: "NODE", least: 1, most: 1, help: "bring a node back into service", run: giveBack},
		{name: "move", args: "ADDRESS NODE", least: 2, most: 2, check: isMFD, flags: []string{"group"}, help: "bind an MFD to another node from its next connection on", run: move},
		{name: "forget", args: "ADDRESS", least: 1, most: 1, check: isMFD, flags: []string{"group"}, help: "unbind an MFD: its next connection goes to the node with the fewest", run: forget},
		{name: "names", args: "[ADDRESS]", most: 1, check: isMFD, help: "what the site's name servers say of groups and nodes, or of one address", run: names},
		{name: "proof", help: "the requirement, sentence by sentence, with what is seen of it now: pass, fail, can't be seen yet, or can't be seen from here; and what to do", run: proof},
		{name: "incidents", help: "what is the matter, and what was: cause, evidence, what to do", run: incidents},
		{name: "events", most: 0, flags: []string{"follow"}, help: "what happened, oldest first", run: events},
		{name: "report list", flags: []string{"reportd"}, run: listReporters, noSocket: true,
			help: "who is told of what happens, how much waits to be sent, and why"},
		{name: "report test", args: "NAME", least: 1, most: 1, flags: []string{"reportd"}, run: testReporter, noSocket: true,
			help: "send a test message by syslog, snmp, mail or webhook, and say how far it came"},
		{name: "report mib", help: "print SPOOLGATE-MIB, which a management station wants to read", run: printModule, noSocket: true},
		{name: "support", args: "FILE", least: 1, most: 1, flags: []string{"to", "netd", "reportd"}, run: support,
			help: "write the support bundle, an archive of all that is known of the box, without any password: for a report of a fault"},
		{name: "config check", args: "FILE", least: 1, most: 1, flags: []string{"key"}, help: "say everything that is wrong with a configuration file; with the key of the box at hand, also which encrypted passwords are not of this box", run: checkConfig, noSocket: true},
		{name: "config apply", args: "FILE", least: 1, most: 1, flags: []string{"to", "netd", "reportd", "key"}, help: "put a configuration in place, its passwords encrypted, and follow it; the one before is kept beside it", run: applyConfig},
	}
}

// run understands args, carries them out and returns the exit status.
func run(ctx context.Context, args []string, now func() time.Time, out, errs io.Writer) int {
	c := &call{in: os.Stdin, out: out, now: now}
	socket := defaultSocket
	words, err := parse(args, c, &socket)
	if errors.Is(err, flag.ErrHelp) || err == nil && (len(words) == 0 || words[0] == "help") {
		usage(out)
		return exitOK
	}
	if err != nil {
		// What was not understood may stand before -json.
		c.json = slices.ContainsFunc(args, func(a string) bool { return strings.TrimLeft(a, "-") == "json" })
		return c.fail(errs, misunderstood{fmt.Errorf("%w; spoolctl help lists the commands", err)})
	}
	cmd, err := choose(words, c)
	if err != nil {
		return c.fail(errs, misunderstood{err})
	}
	if !cmd.noSocket {
		c.Client = wire.NewClient(socket)
	}
	if err := cmd.run(ctx, c); err != nil {
		if ctx.Err() != nil {
			return exitOK
		}
		return c.fail(errs, unanswered(err, "balancerd", "-socket", defaultSocket))
	}
	return exitOK
}

// parse takes the flags out of args, wherever they stand: people write them
// first and last.
func parse(args []string, c *call, socket *string) (words []string, err error) {
	fs := flag.NewFlagSet("spoolctl", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(socket, "socket", *socket, "")
	fs.BoolVar(&c.json, "json", false, "")
	fs.BoolVar(&c.force, "force", false, "")
	fs.BoolVar(&c.follow, "follow", false, "")
	fs.StringVar(&c.group, "group", "", "")
	fs.StringVar(&c.to, "to", defaultConfig, "")
	fs.StringVar(&c.netd, "netd", defaultNetd, "")
	fs.StringVar(&c.key, "key", secret.DefaultPath, "")
	fs.StringVar(&c.reportd, "reportd", defaultReportd, "")
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		fs.Visit(func(f *flag.Flag) { c.named = c.named || f.Name == "key" })
		if args = fs.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	return words, nil
}

// choose finds the command that words begin with and checks its arguments.
func choose(words []string, c *call) (command, error) {
	var names []string
	for _, cmd := range commands() {
		names = append(names, cmd.name)
		n := len(strings.Fields(cmd.name))
		if len(words) < n || strings.Join(words[:n], " ") != cmd.name {
			continue
		}
		c.args = words[n:]
		if len(c.args) < cmd.least || len(c.args) > cmd.most {
			return command{}, fmt.Errorf("wrong number of arguments. Use: spoolctl %s", cmd.form())
		}
		if cmd.check != nil {
			if err := cmd.check(c.args); err != nil {
				return command{}, err
			}
		}
		for flagName, set := range map[string]bool{"force": c.force, "follow": c.follow, "group": c.group != "", "to": c.to != defaultConfig, "netd": c.netd != defaultNetd,
			"reportd": c.reportd != defaultReportd, "key": c.named} {
			if set && !slices.Contains(cmd.flags, flagName) {
				return command{}, fmt.Errorf("%s has no -%s", cmd.name, flagName)
			}
		}
		return cmd, nil
	}
	of := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, words[0]+" ") })
	if len(of) > 0 {
		return command{}, fmt.Errorf("%q is not the whole command. Use %s", words[0], strings.Join(of, " or "))
	}
	return command{}, fmt.Errorf("there is no command %q. The commands are %s", words[0], strings.Join(names, ", "))
}
