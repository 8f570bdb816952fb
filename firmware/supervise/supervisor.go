package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/firmware/api"
)

// Options are what a Supervisor needs of its surroundings.
type Options struct {
	// Program is started again as the shim of each service; its main must call
	// Shim. PID 1 says /proc/self/exe.
	Program string
	// NotifyDir is an existing folder for the notify sockets. Every service
	// must be able to search it.
	NotifyDir string
	// Output takes one line that a service wrote to its standard output or error.
	Output func(service, line string)
	// Changed is called with the state of all services after each change.
	Changed func([]api.Daemon)
	// Spawning is called before a process of a service is started, also when
	// that fails then. The process comes after it has returned.
	Spawning func(service string)
	// Asked is called when a service asks for one of its Spec's Asks.
	Asked func(service, what string)
	// Beat is called at least once a second as long as the supervisor works and
	// no critical service is Stuck for longer than StuckLimit.
	Beat func()
	Log  *slog.Logger
	Now  func() time.Time
}

// StuckLimit is how long a critical service may survive SIGKILL before the
// hardware watchdog is left hungry.
const StuckLimit = 30 * time.Second

// round is the longest pause between two looks at everything.
const round = time.Second

// Supervisor owns the processes of its services. While Run runs, nothing else
// in the program may wait for children: Run takes every one that there is,
// also those of others that were left to PID 1. (With os/exec beside it 27 of 300
// commands ended in "no child processes".)
type Supervisor struct {
	options  Options
	services []*service
	mails    chan mail
	last     []api.Daemon
}

// New prepares the services; Run starts them in the order of specs.
func New(specs []Spec, o Options) (*Supervisor, error) {
	s := &Supervisor{options: o, mails: make(chan mail)}
	for _, spec := range specs {
		v, err := newService(spec, o)
		if err != nil {
			s.closeMailboxes()
			return nil, err
		}
		s.services = append(s.services, v)
	}
	return s, nil
}

// Run starts the services and keeps them running until ctx ends. Then it stops
// them, the last started first, and returns when all are gone.
func (s *Supervisor) Run(ctx context.Context) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	defer signal.Stop(children)
	stopped := make(chan struct{})
	for _, v := range s.services {
		go s.readMail(v, stopped)
	}
	defer close(stopped)
	defer s.closeMailboxes()

	for _, v := range s.services {
		s.do(v, v.machine.Start(s.options.Now()))
	}
	timer := time.NewTimer(round)
	defer timer.Stop()
	done := ctx.Done()
	stopping := false
	for {
		s.tick(stopping)
		s.publish()
		if stopping && s.allStopped() {
			return
		}
		timer.Reset(s.pause())
		select {
		case <-done:
			stopping, done = true, nil
		case m := <-s.mails:
			s.take(m)
		case <-children:
			s.reap()
		case <-timer.C:
		}
	}
}

// tick does what time alone makes due, and stops the last service that is still there.
func (s *Supervisor) tick(stopping bool) {
	now := s.options.Now()
	healthy := true
	for i := len(s.services) - 1; i >= 0; i-- {
		v := s.services[i]
		if stopping {
			s.do(v, v.machine.Stop(now))
			stopping = v.machine.Daemon().State == api.DaemonStopped
		}
		s.do(v, v.machine.Tick(now))
		if v.spec.Critical && v.machine.Stuck(now) > StuckLimit {
			healthy = false
		}
	}
	if healthy {
		s.options.Beat()
	}
}

func (s *Supervisor) allStopped() bool {
	return !slices.ContainsFunc(s.services, func(v *service) bool {
		return v.machine.Daemon().State != api.DaemonStopped
	})
}

func (s *Supervisor) pause() time.Duration {
	p := round
	now := s.options.Now()
	for _, v := range s.services {
		if d := v.machine.Deadline(); !d.IsZero() {
			p = min(p, d.Sub(now))
		}
	}
	return max(p, 0)
}

// do carries out what a machine wants.
func (s *Supervisor) do(v *service, a Action) {
	now := s.options.Now()
	if a.Spawn {
		s.options.Spawning(v.spec.Name)
		pid, err := v.spawn(s.options)
		if err != nil {
			v.machine.Failed(now, err)
			s.options.Log.Error("service not started", "service", v.spec.Name, "error", err)
			return
		}
		v.machine.Started(now, pid)
	}
	if a.Signal != 0 {
		d := v.machine.Daemon()
		s.options.Log.Warn("signal to a service", "service", v.spec.Name, "signal", a.Signal.String(), "reason", d.Reason)
		v.signal(a.Signal)
	}
}

// reap takes every child that has ended.
func (s *Supervisor) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		i := slices.IndexFunc(s.services, func(v *service) bool { return v.pid == pid })
		if i < 0 {
			continue
		}
		v := s.services[i]
		v.pid, v.exit = 0, describe(status)
		// What the process said last is still in its mailbox: a mark behind it
		// comes back when all of it is read.
		if v.mailbox.mark() != nil {
			s.exited(v)
		}
	}
}

func (s *Supervisor) exited(v *service) {
	v.machine.Exited(s.options.Now(), v.exit)
	d := v.machine.Daemon()
	s.options.Log.Warn("service ended", "service", v.spec.Name, "reason", d.Reason, "state", string(d.State))
	v.exit = ""
}

func (s *Supervisor) publish() {
	list := make([]api.Daemon, 0, len(s.services))
	for _, v := range s.services {
		d := v.machine.Daemon()
		d.Name, d.Critical = v.spec.Name, v.spec.Critical
		list = append(list, d)
	}
	if slices.Equal(list, s.last) {
		return
	}
	s.last = list
	s.options.Changed(slices.Clone(list))
}

func (s *Supervisor) closeMailboxes() {
	for _, v := range s.services {
		v.close()
	}
}

func describe(w unix.WaitStatus) string {
	if w.Signaled() {
		return "killed by " + w.Signal().String()
	}
	return fmt.Sprintf("exit status %d", w.ExitStatus())
}
