package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"spoolgate/tools/lab/show"
	"spoolgate/tools/vm"
)

// webListener is the descriptor of the web UI's listener in the inner process.
const webListener = 3

// showBox is make run: the real image in QEMU among nodes and printers. The
// networks are those of a namespace; only the web UI's port is outside.
func showBox(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab run", flag.ContinueOnError)
	o := show.Options{Out: os.Stdout}
	flags.StringVar(&o.Web, "web", "127.0.0.1:8443", "address that the web UI is offered on")
	flags.IntVar(&o.Nodes, "nodes", 2, "simulated nodes, 1 to 8; the virtual panel has lamps for two")
	flags.IntVar(&o.MFDs, "mfds", 12, "simulated MFDs, 1 to 200")
	image := flags.String("image", "", "folder of a built image; it is built from the source here if empty")
	inner := flags.Bool("inner", false, "the networks are there already")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.Nodes < 1 || o.Nodes > 8 || o.MFDs < 1 || o.MFDs > 200 {
		return errors.New("-nodes is 1 to 8 and -mfds is 1 to 200")
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	o.Program = program
	// Before the networks are simulated: the build may have to fetch packages.
	if o.Image = vm.OpenImage(*image); *image == "" {
		fmt.Fprintln(o.Out, "building the image (the first time takes some minutes)")
		if o.Image, err = vm.BuildImage(ctx); err != nil {
			return err
		}
	}
	if *inner {
		l, err := net.FileListener(os.NewFile(webListener, "web"))
		if err != nil {
			return err
		}
		return show.Run(ctx, o, l)
	}
	l, err := net.Listen("tcp", o.Web)
	if err != nil {
		return fmt.Errorf("the web UI: %w; choose another address with -web", err)
	}
	defer l.Close()
	if os.Getuid() == 0 {
		return show.Run(ctx, o, l)
	}
	return enter(ctx, program, append(args, "-image", o.Image.Dir()), l.(*net.TCPListener))
}

// enter runs this program again as root of a user namespace of its own, which
// is root enough for networks. The listener goes along: it was opened outside.
func enter(ctx context.Context, program string, args []string, l *net.TCPListener) error {
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the virtual box's network cards: %w; this machine keeps them to root: use sudo make run", err)
	}
	tun.Close()
	f, err := l.File()
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, program, append([]string{"run", "-inner"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("a user namespace for the simulated networks: %w; this kernel does not let users have one: run it as root (sudo %s run)", err, filepath.Base(program))
	}
	return cmd.Wait()
}
