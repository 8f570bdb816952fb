package supervise

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// service is one Spec with its process.
type service struct {
	spec    Spec
	machine *Machine
	mailbox *mailbox
	sockets []*os.File // as spec.Sockets, once opened
	keep    keep
	pid     int    // not reaped yet, so safe to signal; 0 means none
	exit    string // of a reaped process whose last mail is not read yet

	complained bool // about a message that does not count, once a process is enough
}

func newService(spec Spec, o Options) (*service, error) {
	box, err := openMailbox(o.NotifyDir, spec.Name, spec.UID)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", spec.Name, err)
	}
	return &service{
		spec: spec, mailbox: box, machine: NewMachine(spec, o.Now()),
		keep: keep{limit: spec.KeepFDs},
	}, nil
}

func (v *service) close() {
	v.mailbox.conn.Close()
	for _, f := range v.sockets {
		f.Close()
	}
	v.keep.clear()
}

// openSockets opens those that are not open yet. One that fails fails the
// start, and is tried again with the next: a network interface may come late.
func (v *service) openSockets() error {
	for len(v.sockets) < len(v.spec.Sockets) {
		f, err := v.spec.Sockets[len(v.sockets)].open(v.spec.UID)
		if err != nil {
			return err
		}
		v.sockets = append(v.sockets, f)
	}
	return nil
}

// spawn starts a process. It may exit at any moment, but its number stays its
// own until reap has taken it.
func (v *service) spawn(o Options) (int, error) {
	if err := v.openSockets(); err != nil {
		return 0, err
	}
	order, err := json.Marshal(becoming{
		UID: v.spec.UID, GID: v.spec.GID, Groups: v.spec.Groups, Caps: v.spec.Caps,
		Console: v.spec.Console != "", Argv: v.spec.Argv,
	})
	if err != nil {
		return 0, err
	}
	standard, err := v.openStandard(o)
	if err != nil {
		return 0, err
	}
	defer func() {
		for _, f := range standard {
			f.Close()
		}
	}()
	passed := append(append([]*os.File{}, v.sockets...), v.keep.files...)
	process, err := os.StartProcess(o.Program, []string{o.Program, ShimWord, string(order)}, &os.ProcAttr{
		Dir:   "/",
		Env:   v.environment(passed),
		Files: append(standard[:3:3], passed...),
		// An own session: a signal reaches its children too, and the terminal's do not reach it.
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, err
	}
	v.pid, v.complained = process.Pid, false
	process.Release() // reap waits
	return v.pid, nil
}

// openStandard makes descriptors 0 to 2: the console, or nothing to read and a
// pipe whose lines go to Output.
func (v *service) openStandard(o Options) ([]*os.File, error) {
	if v.spec.Console != "" {
		tty, err := os.OpenFile(v.spec.Console, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			return nil, err
		}
		return []*os.File{tty, tty, tty}, nil
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		null.Close()
		return nil, err
	}
	go copyLines(r, v.spec.Name, o.Output)
	return []*os.File{null, w, w}, nil
}

// maxLine is what fits a line of the kernel log.
const maxLine = 900

func copyLines(r io.ReadCloser, name string, output func(service, line string)) {
	defer r.Close()
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, _, err := in.ReadLine()
		if err != nil {
			return
		}
		output(name, string(line))
	}
}

func (v *service) environment(passed []*os.File) []string {
	env := append([]string{"PATH=/bin", "HOME=/"}, v.spec.Env...)
	if v.spec.Console != "" {
		return env
	}
	env = append(env, "NOTIFY_SOCKET="+v.mailbox.path)
	if d := v.spec.Timing.Watchdog; d > 0 {
		env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(d.Microseconds(), 10), "WATCHDOG_PID=0")
	}
	if len(passed) > 0 {
		names := make([]string, 0, len(passed))
		for i, f := range passed {
			name := f.Name()
			if i < len(v.spec.Sockets) {
				name = v.spec.Sockets[i].Name
			}
			names = append(names, name)
		}
		env = append(env, "LISTEN_PID=0", "LISTEN_FDS="+strconv.Itoa(len(passed)),
			"LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	return env
}

// signal reaches the whole session of the service. SIGCONT goes along because a
// stopped process (SIGSTOP) would not take the signal otherwise.
func (v *service) signal(sig syscall.Signal) {
	if v.pid == 0 {
		return
	}
	// ESRCH: it has just ended, and reap will say so.
	_ = unix.Kill(-v.pid, sig)
	if sig != unix.SIGKILL {
		_ = unix.Kill(-v.pid, unix.SIGCONT)
	}
}
