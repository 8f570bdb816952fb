package node

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"spoolgate/tools/lab/netns"
)

// command is what a node is told, one JSON value a line.
type command struct {
	Do    string        `json:"do"` // stop, start, delay, accepted
	Port  uint16        `json:"port,omitempty"`
	Delay time.Duration `json:"delay,omitempty"`
}

type outcome struct {
	Error string `json:"error,omitempty"`
	Count int    `json:"count,omitempty"`
}

// obey carries out commands until there are no more. The first answer says that
// the node runs.
func (s *server) obey(commands io.Reader, answers *json.Encoder) error {
	if err := answers.Encode(outcome{}); err != nil {
		return err
	}
	for d := json.NewDecoder(commands); ; {
		var c command
		if err := d.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("node %s: command: %w", s.Name, err)
		}
		var done outcome
		var err error
		if done.Count, err = s.carryOut(c); err != nil {
			done.Error = err.Error()
		}
		if err := answers.Encode(done); err != nil {
			return err
		}
	}
}

func (s *server) carryOut(c command) (count int, err error) {
	switch c.Do {
	case "stop":
		return 0, s.stop(c.Port)
	case "start":
		return 0, s.start(c.Port)
	case "delay":
		s.mu.Lock()
		defer s.mu.Unlock()
		s.delay = c.Delay
		return 0, nil
	case "accepted":
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.accepted[c.Port], nil
	}
	return 0, fmt.Errorf("there is no command %q", c.Do)
}

// Process is a node that runs.
type Process struct {
	Config
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Reader
}

// Start starts a node in a namespace and waits until it serves. program with
// the arguments args is what calls Serve, with the configuration as its last
// argument and the commands at its standard input.
func Start(ns *netns.Namespace, c Config, program string, args ...string) (*Process, error) {
	written, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	p := &Process{Config: c, cmd: exec.Command(program, append(args, string(written))...)}
	p.cmd.Stderr = os.Stderr
	// Ctrl-C is for whoever started the site, who ends the nodes in turn.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.answers = bufio.NewReader(out)
	if err := ns.Start(p.cmd); err != nil {
		return nil, fmt.Errorf("node %s: %w", c.Name, err)
	}
	if _, err := p.answer(); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

func (p *Process) answer() (int, error) {
	line, err := p.answers.ReadBytes('\n')
	if err != nil {
		return 0, fmt.Errorf("node %s ended: %w", p.Name, err)
	}
	var o outcome
	if err := json.Unmarshal(line, &o); err != nil {
		return 0, fmt.Errorf("node %s: %w", p.Name, err)
	}
	if o.Error != "" {
		return 0, errors.New(o.Error)
	}
	return o.Count, nil
}

func (p *Process) tell(c command) error {
	_, err := p.ask(c)
	return err
}

func (p *Process) ask(c command) (int, error) {
	if err := json.NewEncoder(p.in).Encode(c); err != nil {
		return 0, fmt.Errorf("node %s: %w", p.Name, err)
	}
	return p.answer()
}

// Accepted is how many connections accept() has returned on a port since the
// node started.
func (p *Process) Accepted(port uint16) (int, error) {
	return p.ask(command{Do: "accepted", Port: port})
}

// StopService closes one port and resets what is open on it.
func (p *Process) StopService(port uint16) error { return p.tell(command{Do: "stop", Port: port}) }

// StartService opens a port again.
func (p *Process) StartService(port uint16) error { return p.tell(command{Do: "start", Port: port}) }

// Slow lets every answer wait.
func (p *Process) Slow(d time.Duration) error { return p.tell(command{Do: "delay", Delay: d}) }

// Freeze stops the process: its kernel goes on to shake hands, it says nothing.
func (p *Process) Freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// End kills the node if it still runs.
func (p *Process) End() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	return p.Kill()
}

// Kill ends the process at once; its ports refuse, its connections are reset.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("node %s: %w", p.Name, err)
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("node %s: %w", p.Name, err)
	}
	return nil
}
