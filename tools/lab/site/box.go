package site

import (
	"context"
	"errors"
	"fmt"
	"net"
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
	site      *Site
	mac       map[string]net.HardwareAddr // of its interfaces
	cmd       *exec.Cmd
	ended     chan struct{} // closed when it has ended with end
	end       error
}

// AddBox puts a box into the site and starts its balancer. extra are lines of
// the configuration within the group, or after it.
func (s *Site) AddBox(extra ...string) (*Box, error) {
	b := &Box{Dir: filepath.Join(s.dir, "box"), program: s.Program, site: s, mac: map[string]net.HardwareAddr{}}
	if err := b.boot(); err != nil {
		return nil, err
	}
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

// boot makes the box's namespace: an empty kernel, the addresses and the cables.
func (b *Box) boot() (err error) {
	if b.Namespace, err = b.site.space(); err != nil {
		return err
	}
	if err := b.plug("service", printerSwitch, netip.PrefixFrom(BoxAddress, Network.Bits()), netip.PrefixFrom(VIP, 32)); err != nil {
		return err
	}
	if !b.site.TwoArms {
		return nil
	}
	return b.plug("nodes", nodeSwitch, netip.PrefixFrom(nodeGateway, nodeNetwork.Bits()))
}

// plug joins the box to a switch. Its interface keeps its MAC over a reboot.
func (b *Box) plug(link, bridge string, addresses ...netip.Prefix) error {
	if _, err := b.site.plug(b.Namespace, link, bridge); err != nil {
		return err
	}
	if mac := b.mac[link]; mac != nil {
		if err := b.Namespace.SetMAC(link, mac); err != nil {
			return err
		}
	}
	mac, err := b.Namespace.MAC(link)
	if err != nil {
		return err
	}
	b.mac[link] = mac
	return b.Namespace.Address(link, addresses...)
}

// PowerOff cuts the box's power: the balancer ends without warning and the
// kernel's memory is lost. What is on the disk stays.
func (b *Box) PowerOff() error {
	if err := b.Kill(); err != nil {
		return err
	}
	for link := range b.mac {
		if err := b.Namespace.Remove(link); err != nil {
			return err
		}
	}
	return nil
}

// PowerOn starts the box again, with an empty kernel.
func (b *Box) PowerOn() error {
	if err := b.boot(); err != nil {
		return err
	}
	return b.Start()
}

// Config is a configuration of the site's group with short times. Lines of
// extra that name a key replace it.
func (s *Site) Config(extra ...string) string {
	lines := []string{
		"[[group]]",
		fmt.Sprintf("virtual_address = %q", VIP),
	}
	var top []string
	checks := map[string]string{"interval": `"200ms"`, "timeout": `"150ms"`, "misses": "3", "up_delay": `"500ms"`}
	for _, line := range extra {
		if key, value, ok := strings.Cut(strings.TrimPrefix(line, "checks."), " = "); ok && strings.HasPrefix(line, "checks.") {
			checks[key] = value
			continue
		}
		if strings.HasPrefix(line, "naming.") || strings.HasPrefix(line, "limits.newcomers") {
			top = append(top, line)
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
	return strings.Join(append(top, lines...), "\n") + "\n"
}

func (b *Box) socket() string { return filepath.Join(b.Dir, "balancerd.sock") }

// Key is where the box has its key, if it has one.
func (b *Box) Key() string { return filepath.Join(b.Dir, "box.key") }

// Reportd is where the balancer asks the reporters, if there are any.
func (b *Box) Reportd() string { return filepath.Join(b.Dir, "reportd.sock") }

func (b *Box) configFile() string { return filepath.Join(b.Dir, "config.toml") }

// Configure writes the configuration; Reload makes it count.
func (b *Box) Configure(text string) error {
	return os.WriteFile(b.configFile(), []byte(text), 0o644)
}

// Start starts the balancer and waits until it answers.
func (b *Box) Start() error {
	b.cmd = exec.Command(b.program, "balancerd", "-config", b.configFile(), "-state", filepath.Join(b.Dir, "state"), "-socket", b.socket(), "-services", "", "-key", b.Key(), "-reportd", b.Reportd())
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

// AwaitEvent waits for an event, among those since seq, and returns it.
func (b *Box) AwaitEvent(ctx context.Context, what string, seq uint64, is func(api.Event) bool) (api.Event, error) {
	var heard []string
	for e, err := range b.FollowEvents(ctx, seq) {
		if err != nil {
			return e, fmt.Errorf("waiting for %s: %w", what, err)
		}
		if is(e) {
			return e, nil
		}
		heard = append(heard, e.Text)
	}
	return api.Event{}, fmt.Errorf("no event told of %s, only of:\n%s", what, strings.Join(heard, "\n"))
}
