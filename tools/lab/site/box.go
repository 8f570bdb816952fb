package site

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/tools/lab/netns"
)

// Box is a balancerd in a namespace of the site, which is all of the box that
// the paths of packets need.
type Box struct {
	*wire.Client
	Namespace *netns.Namespace
	Dir       string // of configuration, state and socket
	program   string
	cmd       *exec.Cmd
	ended     chan struct{} // closed when it has ended with end
	end       error
}

// AddBox puts a box into the site and starts its balancer. extra are lines of
// the configuration within the group, or after it.
func (s *Site) AddBox(extra ...string) (*Box, error) {
	space, err := s.space()
	if err != nil {
		return nil, err
	}
	if err := s.plug(space, "service", printerSwitch); err != nil {
		return nil, err
	}
	if err := space.Address("service", netip.PrefixFrom(BoxAddress, Network.Bits()), netip.PrefixFrom(VIP, 32)); err != nil {
		return nil, err
	}
	if s.TwoArms {
		if err := s.plug(space, "nodes", nodeSwitch); err != nil {
			return nil, err
		}
		if err := space.Address("nodes", netip.PrefixFrom(nodeGateway, nodeNetwork.Bits())); err != nil {
			return nil, err
		}
	}
	b := &Box{Namespace: space, Dir: filepath.Join(s.dir, "box"), program: s.Program}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return nil, err
	}
	if err := b.Configure(s.Config(extra...)); err != nil {
		return nil, err
	}
	b.Client = wire.NewClient(b.socket())
	if err := b.Start(); err != nil {
		return nil, err
	}
	s.boxes = append(s.boxes, b)
	return b, nil
}

// Config is a configuration of the site's group with short times. Lines of
// extra that name a key replace it.
func (s *Site) Config(extra ...string) string {
	lines := []string{
		"[[group]]",
		fmt.Sprintf("virtual_address = %q", VIP),
	}
	checks := map[string]string{"interval": `"100ms"`, "timeout": `"60ms"`, "misses": "3", "up_delay": `"300ms"`}
	for _, line := range extra {
		if key, value, ok := strings.Cut(strings.TrimPrefix(line, "checks."), " = "); ok && strings.HasPrefix(line, "checks.") {
			checks[key] = value
			continue
		}
		lines = append(lines, line)
	}
	if !strings.Contains(strings.Join(lines, "\n"), "node = ") {
		var nodes []string
		for i := range s.Options.Nodes {
			nodes = append(nodes, fmt.Sprintf("{ address = %q }", s.NodeAddress(i)))
		}
		lines = append(lines, "node = ["+strings.Join(nodes, ", ")+"]")
	}
	lines = append(lines, "[group.checks]")
	for _, key := range []string{"ports", "interval", "timeout", "misses", "up_delay"} {
		if checks[key] != "" {
			lines = append(lines, key+" = "+checks[key])
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func (b *Box) socket() string     { return filepath.Join(b.Dir, "balancerd.sock") }
func (b *Box) configFile() string { return filepath.Join(b.Dir, "config.toml") }

// Configure writes the configuration; Reload makes it count.
func (b *Box) Configure(text string) error {
	return os.WriteFile(b.configFile(), []byte(text), 0o644)
}

// Start starts the balancer and waits until it answers.
func (b *Box) Start() error {
	b.cmd = exec.Command(b.program, "balancerd", "-config", b.configFile(), "-state", filepath.Join(b.Dir, "state"), "-socket", b.socket(), "-services", "")
	log, err := os.OpenFile(filepath.Join(b.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	b.cmd.Stdout, b.cmd.Stderr = log, log
	if err := b.Namespace.Start(b.cmd); err != nil {
		return err
	}
	b.ended = make(chan struct{})
	go func() {
		defer close(b.ended)
		b.end = b.cmd.Wait()
	}()
	for range 500 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err = b.Snapshot(ctx)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-b.ended:
			return fmt.Errorf("balancerd ended: %w\n%s", b.end, b.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("balancerd does not answer: %w", err)
}

// Log is what the balancer has said so far.
func (b *Box) Log() string {
	text, err := os.ReadFile(filepath.Join(b.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Signal sends a signal to the balancer.
func (b *Box) Signal(s syscall.Signal) error { return b.cmd.Process.Signal(s) }

// Reload has the balancer read its configuration again.
func (b *Box) Reload() error { return b.Signal(syscall.SIGHUP) }

// Kill ends the balancer without warning. The kernel goes on.
func (b *Box) Kill() error {
	if err := b.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-b.ended
	return nil
}

// Stop ends the balancer as a supervisor does.
func (b *Box) Stop() error {
	if err := b.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-b.ended
	return b.end
}

// Await reads the state until it is as wanted, or the context ends.
func (b *Box) Await(ctx context.Context, what string, is func(api.Snapshot) bool) (api.Snapshot, error) {
	var last api.Snapshot
	for s, err := range b.Snapshots(ctx) {
		if err != nil {
			return last, fmt.Errorf("waiting for %s: %w", what, err)
		}
		if last = s; is(s) {
			return s, nil
		}
	}
	return last, fmt.Errorf("%s did not come: %+v", what, last)
}
