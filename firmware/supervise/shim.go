package supervise

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Cap is a capability by its number in linux/capability.h.
type Cap uintptr

// The capabilities that daemons of the box are given.
const (
	NetBindService Cap = unix.CAP_NET_BIND_SERVICE
	NetAdmin       Cap = unix.CAP_NET_ADMIN
	NetRaw         Cap = unix.CAP_NET_RAW
)

// ShimWord is the first argument with which the supervisor starts its own
// program again for each service; its main must then call Shim.
const ShimWord = "shim"

// ShimFailed is the exit status of a shim that could not start its service; it
// is systemd's EXIT_EXEC.
const ShimFailed = 203

// becoming is the order that the shim carries out, the second argument.
type becoming struct {
	UID, GID uint32
	Groups   []uint32
	Caps     []Cap
	Console  bool // descriptor 0 becomes the controlling terminal
	Argv     []string
}

// Shim turns this process into a service: it says its own process id in
// LISTEN_PID and WATCHDOG_PID, which nobody can know before there is a process,
// gives away every privilege that the service does not have, and executes it. It
// returns only with an error, or, when args are not those of a shim, with false.
func Shim(args []string) (bool, error) {
	if len(args) != 3 || args[1] != ShimWord {
		return false, nil
	}
	var b becoming
	if err := json.Unmarshal([]byte(args[2]), &b); err != nil {
		return true, fmt.Errorf("shim: read order: %w", err)
	}
	return true, fmt.Errorf("start %s: %w", b.Argv[0], b.become())
}

func (b becoming) become() error {
	for _, key := range []string{"LISTEN_PID", "WATCHDOG_PID"} {
		if _, ok := os.LookupEnv(key); ok {
			os.Setenv(key, strconv.Itoa(os.Getpid()))
		}
	}
	if b.Console {
		if err := unix.IoctlSetInt(0, unix.TIOCSCTTY, 1); err != nil {
			return fmt.Errorf("take the terminal: %w", err)
		}
	}
	// execve keeps the credentials of the thread that calls it; the others die.
	runtime.LockOSThread()
	if b.UID != 0 {
		if err := b.drop(); err != nil {
			return err
		}
	}
	return unix.Exec(b.Argv[0], b.Argv, os.Environ())
}

// drop works on the calling thread alone. The order matters: the bounding set
// and the groups need privileges that setresuid takes away.
func (b becoming) drop() error {
	want := map[Cap]bool{}
	var mask uint64
	for _, c := range b.Caps {
		want[c] = true
		mask |= 1 << c
	}
	for c := Cap(0); c <= unix.CAP_LAST_CAP; c++ {
		if want[c] {
			continue
		}
		// EINVAL: a capability that is younger than the kernel.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	groups := make([]int, len(b.Groups))
	for i, g := range b.Groups {
		groups[i] = int(g)
	}
	if err := unix.Setgroups(groups); err != nil {
		return fmt.Errorf("set groups %v: %w", b.Groups, err)
	}
	if err := unix.Setresgid(int(b.GID), int(b.GID), int(b.GID)); err != nil {
		return fmt.Errorf("set group %d: %w", b.GID, err)
	}
	if err := unix.Setresuid(int(b.UID), int(b.UID), int(b.UID)); err != nil {
		return fmt.Errorf("set user %d: %w", b.UID, err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(mask), Permitted: uint32(mask), Inheritable: uint32(mask)},
		{Effective: uint32(mask >> 32), Permitted: uint32(mask >> 32), Inheritable: uint32(mask >> 32)},
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("set capabilities %v: %w", b.Caps, err)
	}
	for _, c := range b.Caps {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c), 0, 0); err != nil {
			return fmt.Errorf("raise capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	return nil
}
