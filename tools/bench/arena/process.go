package arena

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"spoolgate/tools/bench/account"
	"spoolgate/tools/lab/netns"
)

// start starts a program of the arena, which Close ends.
func (a *Arena) start(n *netns.Namespace, g *account.Group, cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: g.FD(), Setpgid: true}
	if cmd.Stdout == nil {
		cmd.Stdout = a.Log
	}
	cmd.Stderr = a.Log
	if err := n.Start(cmd); err != nil {
		return err
	}
	if a.running = append(a.running, cmd); g == a.mid {
		a.mids = append(a.mids, cmd)
	}
	return nil
}

// end ends a program and those that it started.
func end(cmd *exec.Cmd) error {
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	late := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	_ = cmd.Wait() // a program that is told to end need not call that a success
	return nil
}

// startBench starts a part of the benchmark's own program and waits until it says
// that it is ready.
func (a *Arena) startBench(ctx context.Context, n *netns.Namespace, g *account.Group, part string, what any) (*exec.Cmd, error) {
	cmd, err := a.part(ctx, part, what)
	if err != nil {
		return nil, err
	}
	says, into, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer says.Close()
	cmd.Stdout = into
	err = a.start(n, g, cmd)
	into.Close()
	if err != nil {
		return nil, err
	}
	if line, err := bufio.NewReader(says).ReadString('\n'); err != nil {
		return nil, fmt.Errorf("%s did not get ready: %w %s", strings.Join(cmd.Args[1:], " "), err, line)
	}
	return cmd, nil
}

// part is a part of the benchmark's own program with what it shall do.
func (a *Arena) part(ctx context.Context, name string, what any) (*exec.Cmd, error) {
	spec, err := json.Marshal(what)
	return exec.CommandContext(ctx, a.Bench, name, string(spec)), err
}

// Used is the CPU time that something took.
type Used struct {
	// All is that of clients, nodes, box and kernel together; Box that of the
	// contestant's own processes.
	All, Box time.Duration
}

// Since is what was taken since another moment.
func (u Used) Since(before Used) Used { return Used{All: u.All - before.All, Box: u.Box - before.Box} }

// Used is what was taken so far.
func (a *Arena) Used() (Used, error) {
	var u Used
	for _, g := range []*account.Group{a.load, a.serve, a.mid} {
		t, err := g.CPU()
		if err != nil {
			return u, err
		}
		if u.All += t; g == a.mid {
			u.Box = t
		}
	}
	t, err := account.Softirq()
	u.All += t
	return u, err
}

// Load runs a part of the benchmark's own program in the clients' namespace, and
// reads what became of it.
func (a *Arena) Load(ctx context.Context, part string, what, result any) (Used, error) {
	cmd, err := a.part(ctx, part, what)
	if err != nil {
		return Used{}, err
	}
	before, err := a.Used()
	if err != nil {
		return Used{}, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: a.load.FD()}
	cmd.Stderr = a.Log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Used{}, err
	}
	if err := a.clients.Start(cmd); err != nil {
		return Used{}, err
	}
	text, readErr := io.ReadAll(out)
	if err := errors.Join(cmd.Wait(), readErr); err != nil {
		return Used{}, fmt.Errorf("%s: %w", strings.Join(cmd.Args[1:], " "), err)
	}
	after, err := a.Used()
	if err != nil {
		return Used{}, err
	}
	return after.Since(before), json.Unmarshal(text, result)
}
