package supervise

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

var zero = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// life drives a Machine on a clock of its own.
type life struct {
	t   *testing.T
	m   *Machine
	now time.Time
}

func newLife(t *testing.T, timing Timing) *life {
	return &life{t: t, m: NewMachine(Spec{Name: "d", Timing: timing}, zero), now: zero}
}

func (l *life) wants(state api.DaemonState) {
	l.t.Helper()
	if got := l.m.Daemon(); got.State != state {
		l.t.Fatalf("%v after the start: %s (%s), want %s", l.now.Sub(zero), got.State, got.Reason, state)
	}
}

func (l *life) says(m Message) Action { return l.m.Notify(l.now, m) }

// sleeps lets time pass; at every deadline Tick is called, as the supervisor does.
func (l *life) sleeps(d time.Duration) (actions []Action) {
	end := l.now.Add(d)
	for {
		next := l.m.Deadline()
		if next.IsZero() || next.After(end) {
			l.now = end
			return actions
		}
		l.now = next
		if a := l.m.Tick(l.now); a != (Action{}) {
			actions = append(actions, a)
			if a.Spawn {
				return actions
			}
		}
	}
}

func (l *life) runs() {
	l.t.Helper()
	if a := l.m.Start(l.now); !a.Spawn {
		l.t.Fatalf("Start wants %+v", a)
	}
	l.m.Started(l.now, 100)
	l.wants(api.DaemonStarting)
	l.says(Message{Ready: true})
	l.wants(api.DaemonRunning)
}

func (l *life) gets(actions []Action, want ...syscall.Signal) {
	l.t.Helper()
	if len(actions) != len(want) {
		l.t.Fatalf("actions %+v, want signals %v", actions, want)
	}
	for i, a := range actions {
		if a.Signal != want[i] {
			l.t.Fatalf("action %d is %+v, want signal %v", i, a, want[i])
		}
	}
}

func TestServiceIsRunningOnlyAfterItSaidReady(t *testing.T) {
	l := newLife(t, Timing{Start: 3 * time.Second})
	l.m.Start(l.now)
	l.m.Started(l.now, 7)
	l.gets(l.sleeps(2 * time.Second))
	l.wants(api.DaemonStarting)
	l.gets(l.sleeps(time.Second), syscall.SIGTERM)
	l.wants(api.DaemonEnding)
	l.gets(l.sleeps(5*time.Second), syscall.SIGKILL)
	l.m.Exited(l.now, "killed")
	l.wants(api.DaemonWaiting)
}

func TestStartMayTakeLongerWhenTheServiceAsksForIt(t *testing.T) {
	l := newLife(t, Timing{Start: 3 * time.Second})
	l.m.Start(l.now)
	l.m.Started(l.now, 7)
	l.sleeps(2 * time.Second)
	l.says(Message{Extend: 10 * time.Second})
	l.gets(l.sleeps(9 * time.Second))
	l.wants(api.DaemonStarting)
	l.gets(l.sleeps(time.Second), syscall.SIGTERM)
}

func TestHungServiceIsAbortedThenKilledThenStartedAgain(t *testing.T) {
	l := newLife(t, Timing{Watchdog: time.Second, Abort: 2 * time.Second, FirstDelay: time.Second})
	l.runs()
	for range 5 {
		l.gets(l.sleeps(900 * time.Millisecond))
		l.says(Message{Alive: true})
	}
	l.gets(l.sleeps(time.Second), syscall.SIGABRT)
	l.says(Message{Extend: time.Minute, Alive: true, Ready: true}) // too late to ask for anything
	l.wants(api.DaemonEnding)
	l.gets(l.sleeps(2*time.Second), syscall.SIGKILL)
	l.m.Exited(l.now, "killed by killed")
	l.wants(api.DaemonWaiting)
	if a := l.sleeps(time.Second); len(a) != 1 || !a[0].Spawn {
		t.Fatalf("after the pause: %+v", a)
	}
	if r := l.m.Daemon().Restarts; r != 1 {
		t.Errorf("%d restarts counted, want 1", r)
	}
}

func TestServiceChangesItsWatchdogAndPullsIt(t *testing.T) {
	l := newLife(t, Timing{Watchdog: time.Second})
	l.runs()
	longer, none := 5*time.Second, time.Duration(0)
	l.says(Message{WatchdogInterval: &longer})
	l.gets(l.sleeps(4 * time.Second))
	l.says(Message{WatchdogInterval: &none})
	l.gets(l.sleeps(time.Hour))
	l.wants(api.DaemonRunning)
	l.gets([]Action{l.says(Message{Trigger: true})}, syscall.SIGABRT)
}

func TestServiceThatSaysReloadingAndNeverReadyIsEnded(t *testing.T) {
	l := newLife(t, Timing{Start: 3 * time.Second})
	l.m.Start(l.now)
	l.m.Started(l.now, 7)
	l.says(Message{Reloading: true}) // before it ever was READY
	l.gets(l.sleeps(3*time.Second), syscall.SIGTERM)

	l = newLife(t, Timing{Start: 3 * time.Second})
	l.runs()
	l.says(Message{Reloading: true})
	l.gets(l.sleeps(3*time.Second), syscall.SIGTERM)
}

func TestReloadingServiceComesBackWithReady(t *testing.T) {
	l := newLife(t, Timing{Watchdog: time.Second})
	l.runs()
	l.says(Message{Reloading: true})
	l.wants(api.DaemonReloading)
	l.says(Message{Ready: true})
	l.wants(api.DaemonRunning)
	l.says(Message{Reloading: true})
	l.gets(l.sleeps(time.Second), syscall.SIGABRT) // alive it must be meanwhile
}

func TestCrashLoopBacksOffUpToALimitAndForgetsAfterASteadyRun(t *testing.T) {
	l := newLife(t, Timing{FirstDelay: time.Second, MaxDelay: 5 * time.Second, Steady: time.Minute})
	l.runs()
	for _, want := range []time.Duration{1, 2, 4, 5, 5, 5} {
		l.m.Exited(l.now, "exit status 1")
		l.wants(api.DaemonWaiting)
		died := l.now
		if a := l.sleeps(time.Hour); len(a) != 1 || !a[0].Spawn {
			t.Fatalf("no new start: %+v", a)
		}
		if got := l.now.Sub(died); got != want*time.Second {
			t.Fatalf("paused %v, want %v", got, want*time.Second)
		}
		l.m.Started(l.now, 100)
		l.says(Message{Ready: true})
	}
	l.sleeps(time.Minute)
	l.m.Exited(l.now, "exit status 1")
	if got := l.m.Deadline().Sub(l.now); got != time.Second {
		t.Errorf("paused %v after a steady run, want the first pause again", got)
	}
}

func TestServiceThatCannotBeStartedIsTriedAgain(t *testing.T) {
	l := newLife(t, Timing{FirstDelay: time.Second})
	l.m.Start(l.now)
	l.m.Failed(l.now, errors.New("no such file"))
	l.wants(api.DaemonWaiting)
	if a := l.sleeps(time.Second); len(a) != 1 || !a[0].Spawn {
		t.Fatalf("no new start: %+v", a)
	}
}

func TestStoppedServiceStaysStopped(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*life)
		signal  syscall.Signal
	}{
		{"running", func(l *life) {}, syscall.SIGTERM},
		{"reloading", func(l *life) { l.says(Message{Reloading: true}) }, syscall.SIGTERM},
		{"on its way out", func(l *life) { l.says(Message{Stopping: true}) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLife(t, Timing{})
			l.runs()
			c.prepare(l)
			l.gets([]Action{l.m.Stop(l.now)}, c.signal)
			l.m.Exited(l.now, "exit status 0")
			l.wants(api.DaemonStopped)
			l.gets(l.sleeps(time.Hour))
			l.wants(api.DaemonStopped)
		})
	}
	t.Run("waiting", func(t *testing.T) {
		l := newLife(t, Timing{})
		l.runs()
		l.m.Exited(l.now, "exit status 1")
		l.m.Stop(l.now)
		l.wants(api.DaemonStopped)
		l.gets(l.sleeps(time.Hour))
	})
}

func TestServiceThatLeavesByItselfIsStartedAgain(t *testing.T) {
	l := newLife(t, Timing{Watchdog: time.Second})
	l.runs()
	l.says(Message{Stopping: true})
	l.gets(l.sleeps(4 * time.Second)) // no watchdog on the way out
	l.m.Exited(l.now, "exit status 0")
	l.wants(api.DaemonWaiting)
}

func TestProcessThatSurvivesSIGKILLIsReportedStuck(t *testing.T) {
	l := newLife(t, Timing{Watchdog: time.Second, Abort: time.Second})
	l.runs()
	l.gets(l.sleeps(2*time.Second), syscall.SIGABRT, syscall.SIGKILL)
	l.sleeps(time.Minute)
	if got := l.m.Stuck(l.now); got != time.Minute {
		t.Errorf("stuck for %v, want 1m", got)
	}
	l.m.Exited(l.now, "killed")
	if got := l.m.Stuck(l.now); got != 0 {
		t.Errorf("stuck for %v after its end", got)
	}
}

// FuzzMachine walks at random: whatever a service does, it never ends up
// without a process and without a moment at which it is started again.
func FuzzMachine(f *testing.F) {
	f.Add([]byte{0, 1, 2, 9, 9, 6, 9, 0, 7, 3, 4, 5, 8})
	f.Fuzz(func(t *testing.T, steps []byte) {
		l := newLife(t, Timing{Watchdog: time.Second})
		process := l.m.Start(l.now).Spawn
		l.m.Started(l.now, 1)
		usec := 2 * time.Second
		messages := []Message{{Ready: true}, {Reloading: true}, {Stopping: true}, {Alive: true}, {Trigger: true}, {WatchdogInterval: &usec}, {Extend: time.Second}}
		for _, s := range steps {
			var a Action
			switch {
			case int(s) < len(messages):
				a = l.says(messages[s])
			case s == 7 && process:
				process = false
				l.m.Exited(l.now, "gone")
			default:
				l.now = l.now.Add(time.Duration(s) * 50 * time.Millisecond)
				a = l.m.Tick(l.now)
			}
			if a.Spawn {
				if process {
					t.Fatal("a second process")
				}
				process = true
				l.m.Started(l.now, 1)
			}
			if !process && (l.m.Daemon().State != api.DaemonWaiting || l.m.Deadline().IsZero()) {
				t.Fatalf("given up: %+v", l.m.Daemon())
			}
			if process && l.m.Daemon().State != api.DaemonRunning && l.m.Deadline().IsZero() {
				t.Fatalf("waits for ever: %+v", l.m.Daemon())
			}
		}
	})
}
