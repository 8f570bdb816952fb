// Package vm runs the box in QEMU for tests and for make run: started from its
// disk through its boot loader, watched on the serial console, with the button
// pressed and the lamps read from outside.
package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Config is one virtual box.
type Config struct {
	// Disk is the image as tools/image makes it. It is written to: hand in a
	// copy (see CopyDisk) to keep the original.
	Disk string
	// Image is what the disk was copied from; it has the boot loader.
	Image Image
	// Service and Management are tap devices (see OpenTap) that become the two
	// interfaces; nil connects one to nothing.
	Service, Management *os.File
	// Log also gets what the console says, when not nil.
	Log func(line string)
}

// VM is a running box.
type VM struct {
	*Console
	cmd     *exec.Cmd
	monitor *monitor
	done    chan struct{}
	mu      sync.Mutex
	said    strings.Builder // what QEMU itself complained about
	err     error           // of its end; valid after done
}

// Processors are what the box has, as boards have four: the first works on the packets
// that come in, and when they take all of it, daemons have the other.
const Processors = 2

// Start powers the box on. It is switched off when ctx ends, at the latest.
func Start(ctx context.Context, c Config) (*VM, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	v := &VM{done: make(chan struct{})}
	// With ACPI and a firmware QEMU leaves the PL061 out: no lamps, no button.
	v.cmd = exec.Command("qemu-system-aarch64", "-M", "virt,acpi=off", "-cpu", "cortex-a72", "-m", "512", "-smp", strconv.Itoa(Processors),
		"-name", "box,debug-threads=on", "-display", "none", "-nodefaults", "-no-user-config", "-bios", c.Image.bootLoader(),
		"-drive", "if=pflash,unit=1,format=raw,readonly=on,file="+c.Image.environment(),
		"-drive", "if=none,id=disk,format=raw,cache=writeback,file="+c.Disk, "-device", "virtio-blk-pci,drive=disk,addr=4",
		"-device", "i6300esb,addr=5", "-device", "virtio-rng-pci,addr=6",
		"-serial", "stdio", "-chardev", "socket,id=qmp,fd=3", "-mon", "chardev=qmp,mode=control")
	v.cmd.ExtraFiles = []*os.File{theirs}
	for i, nic := range []*os.File{c.Service, c.Management} {
		v.addNIC(fmt.Sprintf("nic%d", i), 2+i, nic)
	}
	// With the test's end, even a sudden one, ends the machine.
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := v.start(ctx, c, ours); err != nil {
		ours.Close()
		return nil, err
	}
	return v, nil
}

func (v *VM) addNIC(id string, slot int, tap *os.File) {
	device := fmt.Sprintf("virtio-net-pci,addr=%d,romfile=,mac=52:54:00:53:47:%02x", slot, slot)
	if tap != nil {
		v.cmd.ExtraFiles = append(v.cmd.ExtraFiles, tap)
		v.cmd.Args = append(v.cmd.Args, "-netdev", fmt.Sprintf("tap,fd=%d,id=%s", 2+len(v.cmd.ExtraFiles), id))
		device += ",netdev=" + id
	}
	v.cmd.Args = append(v.cmd.Args, "-device", device)
}

func (v *VM) start(ctx context.Context, c Config, qmp *os.File) error {
	in, err := v.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	v.cmd.Stderr = writer(func(p []byte) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.said.Write(p)
	})
	if err := v.startProcess(); err != nil {
		v.cmd.ExtraFiles[0].Close()
		return fmt.Errorf("start QEMU (make deps installs it): %w", err)
	}
	v.cmd.ExtraFiles[0].Close() // so that a QEMU that ends at once ends the monitor too
	v.Console = newConsole(in, c.Log)
	go func() {
		v.Console.read(out)
		v.err = v.cmd.Wait()
		v.mu.Lock()
		defer v.mu.Unlock()
		v.Console.close(fmt.Errorf("the machine ended: %v %s", v.err, v.said.String()))
		close(v.done)
	}()
	go func() {
		select {
		case <-ctx.Done():
			v.CutPower()
		case <-v.done:
		}
	}()
	conn, err := net.FileConn(qmp)
	if err != nil {
		v.CutPower()
		return err
	}
	qmp.Close()
	if v.monitor, err = newMonitor(conn); err != nil {
		v.CutPower()
		return errors.Join(err, errors.New(v.said.String()))
	}
	return nil
}

// startProcess starts QEMU from a thread that lives as long as it does: the
// signal of Pdeathsig comes when the thread ends that forked, and threads that
// were in a network namespace end early. QEMU then died in the middle of a boot.
func (v *VM) startProcess() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := v.cmd.Start()
		started <- err
		if err == nil {
			<-v.done
		}
	}()
	return <-started
}

// CutPower ends the machine as a pulled plug does, and waits for its end.
func (v *VM) CutPower() {
	// An error means that it has ended by itself.
	_ = v.cmd.Process.Kill()
	<-v.done
}

// Done is closed when the machine has ended.
func (v *VM) Done() <-chan struct{} { return v.done }

// PressButton presses and releases the front panel's button: QEMU pulses line 3
// of its PL061 for 100 ms.
func (v *VM) PressButton() error {
	_, err := v.monitor.execute("system_powerdown", nil)
	return err
}

// HoldButton keeps the button pressed for a time: pulses that overlap.
func (v *VM) HoldButton(ctx context.Context, d time.Duration) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := v.PressButton(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Lines are the levels of the PL061's 8 lines, line 0 in bit 0: see board.Virt
// for what is on them.
func (v *VM) Lines() (byte, error) {
	// The address masks the bits: at offset 0x3fc all of them are read.
	text, err := v.monitor.human("xp /1bx 0x90303fc")
	if err != nil {
		return 0, err
	}
	_, value, _ := strings.Cut(text, ":")
	var b byte
	if _, err := fmt.Sscanf(strings.TrimSpace(value), "0x%x", &b); err != nil {
		return 0, fmt.Errorf("read the lines from %q: %w", text, err)
	}
	return b, nil
}

func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("monitor: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "monitor"), os.NewFile(uintptr(fds[1]), "monitor"), nil
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}
