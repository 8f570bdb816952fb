package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"spoolgate/tools/lab/show"
	"spoolgate/tools/vm"
)

// usualWeb is where the web UI is offered unless somebody wants it elsewhere.
const usualWeb = "127.0.0.1:8443"

// webListener is the descriptor of the web UI's listener in the inner process.
const webListener = 3

// showBox is make run: the real image in QEMU among nodes and printers. The
// networks are those of a namespace; only the web UI's port is outside.
func showBox(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lab run", flag.ContinueOnError)
	o := show.Options{Out: os.Stdout}
	flags.StringVar(&o.Web, "web", "", "address that the web UI is offered on; "+usualWeb+" if empty, or a free port if that is taken")
	flags.IntVar(&o.Nodes, "nodes", 2, "simulated nodes, 1 to 8; the virtual panel has lamps for two")
	flags.IntVar(&o.MFDs, "mfds", 12, "simulated MFDs, 1 to 200")
	image := flags.String("image", "", "folder of a built image; it is built from the source here if empty")
	inner := flags.Bool("inner", false, "the networks are there already")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
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
			return unlessEnded(ctx, err)
		}
	}
	if *inner {
		l, err := net.FileListener(os.NewFile(webListener, "web"))
		if err != nil {
			return err
		}
		return show.Run(ctx, o, l)
	}
	l, err := listenWeb(o.Web, usualWeb, o.Out)
	if err != nil {
		return err
	}
	defer l.Close()
	o.Web = l.Addr().String()
	if os.Getuid() == 0 {
		return show.Run(ctx, o, l)
	}
	return enter(ctx, program, append(args, "-image", o.Image.Dir(), "-web", o.Web), l.(*net.TCPListener))
}

// listenWeb opens the wanted address. The usual one may be taken, by another
// make run too: then any free port does, and the person is told which.
func listenWeb(wanted, usual string, out io.Writer) (net.Listener, error) {
	if wanted != "" {
		l, err := net.Listen("tcp", wanted)
		if err != nil {
			return nil, fmt.Errorf("the web UI: %w; choose another address with -web, or leave it out", err)
		}
		return l, nil
	}
	l, err := net.Listen("tcp", usual)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	host, _, err := net.SplitHostPort(usual)
	if err != nil {
		return nil, err
	}
	if l, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
		return nil, fmt.Errorf("the web UI: %w", err)
	}
	fmt.Fprintf(out, "%s is taken: the web UI will be at %s\n", usual, l.Addr())
	return l, nil
}

// unlessEnded makes no error of the person's Ctrl-C: what was cut short by it
// need not be told.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
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
	return unlessEnded(ctx, cmd.Wait())
}
