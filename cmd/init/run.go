package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"spoolgate/board"
	"spoolgate/firmware/api"
	"spoolgate/firmware/logline"
	"spoolgate/firmware/supervise"
	"spoolgate/hal"
)

// box is what the phases find out for each other.
type box struct {
	log      *slog.Logger
	console  *os.File // where a technician looks
	started  time.Time
	board    board.Board
	watchdog hal.Watchdog // nil without one
	nics     hal.NICs
	hasData  bool // /data is the partition, not RAM
	specs    []supervise.Spec
	report   report
	beacon   *beacon
	endings  chan ending
}

func run(args []string) error {
	if os.Getpid() != 1 || len(args) > 0 && args[0] == "-help" {
		return errors.New("this is the first process of the box and starts nowhere else; the kernel runs it")
	}
	b := &box{
		console: os.Stdout, started: time.Now(), endings: make(chan ending, 1),
		log: logline.New("init", os.Stderr, true),
	}
	b.beacon = &beacon{guard: b.guard, open: func() (hal.Lamp, error) { return nil, errors.New("the board is not known yet") }}
	b.end(b.live())
	return errors.New("the kernel did not end the box") // and panics now, which restarts it
}

// live boots and supervises until something ends it. A panic is such a thing:
// PID 1 must not die of it.
func (b *box) live() (why ending) {
	defer func() {
		if p := recover(); p != nil {
			why = ending{action: restart, why: fmt.Sprintf("init panicked: %v\n%s", p, debug.Stack()), failed: true}
		}
	}()
	go b.guard("signals", b.signals)
	for _, p := range phases() {
		err := p.run(b)
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s: %w", p.name, err)
		if p.must {
			return ending{action: restart, why: err.Error(), failed: true}
		}
		b.problem(err.Error() + ": " + p.without)
	}
	go b.guard("clock", b.keepClock)
	return b.supervise()
}

// supervise runs the services until an ending is asked for.
func (b *box) supervise() ending {
	s, err := supervise.New(b.specs, supervise.Options{
		Program: "/proc/self/exe", NotifyDir: notifyDir, Output: b.output,
		Changed: b.changed, Spawning: b.spawning, Asked: b.asked, Beat: b.feed, Log: b.log, Now: time.Now,
	})
	if err != nil {
		return ending{action: restart, why: err.Error(), failed: true}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var why ending
	go b.guard("endings", func() {
		why = <-b.endings
		b.say("%s: %s", why.action, why.why)
		cancel()
	})
	s.Run(ctx)
	return why
}

// guard keeps a panic in one goroutine from taking the box down at once.
func (b *box) guard(what string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			b.ask(ending{action: restart, why: fmt.Sprintf("init panicked in %s: %v\n%s", what, p, debug.Stack()), failed: true})
		}
	}()
	f()
}

// ask ends the box; the first who asks decides how.
func (b *box) ask(e ending) {
	select {
	case b.endings <- e:
	default:
	}
}

func (b *box) signals() {
	c := make(chan os.Signal, 4)
	signal.Notify(c, unix.SIGTERM, unix.SIGINT, unix.SIGUSR1, unix.SIGUSR2)
	for s := range c {
		e := ending{action: restart, why: "asked for by an operator"}
		if s == unix.SIGUSR1 || s == unix.SIGUSR2 {
			e.action = powerOff
		}
		b.ask(e)
	}
}

func (b *box) feed() {
	if b.watchdog == nil {
		return
	}
	if err := b.watchdog.Feed(); err != nil {
		b.log.Error("feed the watchdog", "error", err)
	}
}

// output writes a line of a service to the kernel log: the one log of the box,
// which also survives a panic in pstore.
func (b *box) output(service, line string) {
	level := "<6>"
	if len(line) > 3 && line[0] == '<' && line[2] == '>' && '0' <= line[1] && line[1] <= '7' {
		level, line = line[:3], line[3:]
	}
	fmt.Fprintf(os.Stderr, "%s%s: %s\n", level, service, line)
}

// say tells whoever looks at the console, and the log.
func (b *box) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.log.Info(text)
	fmt.Fprintf(b.console, "spoolgate: %s\r\n", text)
}

func (b *box) problem(text string) {
	b.report.boot.Problems = append(b.report.boot.Problems, text)
	b.log.Warn(text)
	fmt.Fprintf(b.console, "spoolgate: %s\r\n", text)
}

func (b *box) changed(list []api.Daemon) {
	if err := b.report.write(list, time.Now()); err != nil {
		b.log.Error("write the state of the services", "error", err)
	}
	b.standIn(list)
	if b.report.allUp(list) {
		b.say("services started, %.1f s after the kernel", time.Since(b.started).Seconds()+b.report.kernel.Seconds())
	}
}
