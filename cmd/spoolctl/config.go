package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/config"
)

// Where a box has its configuration, and who follows it beside the balancer.
const (
	defaultConfig = "/data/config.toml"
	defaultNetd   = "/run/spoolgate/netd.sock"
	keptConfig    = ".previous"
)

// readConfig returns a file, or what is typed in for "-", as it was written and
// as it is understood; problems are printed, all of them.
func (c *call) readConfig(name string) ([]byte, config.Config, error) {
	text, err := c.readAll(name)
	if err != nil {
		return nil, config.Config{}, err
	}
	parsed, err := config.Parse(text, config.Required())
	var problems config.Problems
	if !errors.As(err, &problems) {
		return text, parsed, err
	}
	if c.json {
		if err := c.printJSON(problems); err != nil {
			return nil, parsed, err
		}
	} else {
		fmt.Fprintln(c.out, problems.Error())
	}
	return nil, parsed, printed{fmt.Errorf("%s: %s; a box would go on with the configuration that it has", name, plural(len(problems), "problem"))}
}

func (c *call) readAll(name string) ([]byte, error) {
	in := c.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, config.MaxSize+1))
	if err == nil && len(text) > config.MaxSize {
		err = fmt.Errorf("%s has more than the %d bytes that a configuration can have", name, config.MaxSize)
	}
	return text, err
}

func checkConfig(_ context.Context, c *call) error {
	_, parsed, err := c.readConfig(c.args[0])
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(config.Problems{})
	}
	nodes := 0
	for _, g := range parsed.Groups {
		nodes += len(g.Nodes)
	}
	fmt.Fprintf(c.out, "%s is right: %s, %s.\n", c.args[0], plural(len(parsed.Groups), "group"), plural(nodes, "node"))
	return nil
}

// applyConfig puts a right configuration in place, keeps the one before beside
// it, and has the daemons follow it. A wrong one changes nothing.
func applyConfig(ctx context.Context, c *call) error {
	text, _, err := c.readConfig(c.args[0])
	if err != nil {
		return err
	}
	if err := replace(c.to, text); err != nil {
		return err
	}
	// Addresses first: the balancer probes from them. It follows without them
	// too, as it would at its next start.
	said, netdErr := reload(ctx, c.netd, "netd", "-netd", defaultNetd)
	if netdErr != nil {
		netdErr = fmt.Errorf("%s is in place, and the network does not follow it: %w", c.to, netdErr)
	}
	d, err := c.Reload(ctx)
	if err != nil {
		err = fmt.Errorf("%s is in place, and the balancer does not follow it: %w", c.to, unanswered(err, "balancerd", "-socket", defaultSocket))
	}
	_, reportErr := reload(ctx, c.reportd, "reportd", "-reportd", defaultReportd)
	if reportErr != nil {
		reportErr = fmt.Errorf("%s is in place, and the reporters do not follow it: %w", c.to, reportErr)
	}
	if err := errors.Join(netdErr, err, reportErr); err != nil {
		return err
	}
	if said.Text != "" {
		d.Text = said.Text + "; " + d.Text
	}
	return c.done(d, nil)
}

// reload has a daemon beside the balancer follow; one whose socket is "" is left
// out, as not every machine runs it.
func reload(ctx context.Context, socket, daemon, flagName, usual string) (api.Done, error) {
	if socket == "" {
		return api.Done{}, nil
	}
	d, err := wire.NewClient(socket).Reload(ctx)
	if err != nil {
		err = unanswered(err, daemon, flagName, usual)
	}
	return d, err
}

// replace puts a configuration in place and keeps the one before, unless it is the
// same: applied twice, it would push out the one that people want to go back to.
func replace(path string, text []byte) error {
	write := func(path string, text []byte) error {
		return renameio.WriteFile(path, text, 0o644, renameio.WithTempDir(filepath.Dir(path)))
	}
	before, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(before, text):
		return nil
	case err == nil:
		if err := write(path+keptConfig, before); err != nil {
			return fmt.Errorf("keep the configuration before: %w", err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	return write(path, text)
}
