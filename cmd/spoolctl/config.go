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
	"spoolgate/firmware/phrase"
	"spoolgate/firmware/secret"
)

// Where a box has its configuration, and who follows it beside the balancer.
const (
	defaultConfig = "/data/config.toml"
	defaultNetd   = "/run/spoolgate/netd.sock"
	keptConfig    = ".previous"
)

// readConfig returns a file, or what is typed in for "-", as it was written and
// as it is understood; problems are printed, all of them. Where the key of the box is
// not at hand, only the form of encrypted passwords is looked at.
func (c *call) readConfig(name string) ([]byte, config.Config, error) {
	text, err := c.readAll(name)
	if err != nil {
		return nil, config.Config{}, err
	}
	key, err := c.boxKey()
	if err != nil {
		return nil, config.Config{}, err
	}
	parsed, err := config.Check(text, config.Required(), key)
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
	return nil, parsed, printed{fmt.Errorf("%s: %s; a box would go on with the configuration that it has", name, phrase.Count(len(problems), "problem"))}
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
	fmt.Fprintf(c.out, "%s is right: %s, %s.\n", c.args[0], phrase.Count(len(parsed.Groups), "group"), phrase.Count(nodes, "node"))
	return nil
}

// seal encrypts the passwords of a configuration. Only one that has some needs the
// key.
func (c *call) seal(text []byte) ([]byte, error) {
	sealed, err := config.Seal(text, config.Required(), secret.Key{})
	if err != nil || bytes.Equal(sealed, text) {
		return text, err
	}
	key, err := secret.ReadKey(c.key)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the configuration has passwords, and %s, the key to encrypt them with, is not there: a box makes it when it starts; elsewhere name another file with -key. Nothing was changed", c.key)
	}
	if err != nil {
		return nil, err
	}
	return config.Seal(text, config.Required(), key)
}

// sealBefore is seal for what was in place, which may be wrong or without a key: it
// is kept all the same, and a password that can't be encrypted is not. What is not
// even TOML can't be searched for passwords, and is not kept.
func sealBefore(text []byte, key secret.Key) ([]byte, bool) {
	sealed, err := config.Seal(text, config.Required(), key)
	return sealed, err == nil
}

// boxKey is the key of the box, or none where it is not at hand: on another machine,
// or for who may not read it. One that was named is meant to be used.
func (c *call) boxKey() (secret.Key, error) {
	key, err := secret.ReadKey(c.key)
	switch {
	case err == nil:
		return key, nil
	case c.named:
		why := err.Error()
		if errors.Is(err, os.ErrNotExist) {
			why = "there is no such file"
		} else if errors.Is(err, secret.ErrNoKey) {
			why = "it " + secret.ErrNoKey.Error()
		}
		return key, fmt.Errorf("%s can't be used as the key of the box: %s. Name the file in which the box has its key, %s there, or leave -key out: where no key is at hand, encrypted passwords are looked at by their form only",
			c.key, why, secret.DefaultPath)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return secret.Key{}, nil
	}
	return key, err
}

// applyConfig puts a right configuration in place, keeps the one before beside
// it, and has the daemons follow it. A wrong one changes nothing.
func applyConfig(ctx context.Context, c *call) error {
	text, _, err := c.readConfig(c.args[0])
	if err != nil {
		return err
	}
	if text, err = c.seal(text); err != nil {
		return err
	}
	if err := c.replace(text); err != nil {
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
func (c *call) replace(text []byte) error {
	write := func(path string, text []byte) error {
		return renameio.WriteFile(path, text, 0o644, renameio.WithTempDir(filepath.Dir(path)))
	}
	key, err := c.boxKey()
	if err != nil {
		return err
	}
	before, err := os.ReadFile(c.to)
	switch {
	case err == nil:
		sealed, whole := sealBefore(before, key)
		if whole && bytes.Equal(sealed, before) && config.Same(before, text, config.Required(), key) {
			return nil
		}
		if whole {
			if err := write(c.to+keptConfig, sealed); err != nil {
				return fmt.Errorf("keep the configuration before: %w", err)
			}
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	return write(c.to, text)
}
