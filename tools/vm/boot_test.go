package vm

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/api"
)

// limit is how long a whole test may take under emulation on a busy machine.
const limit = 4 * time.Minute

// upMarker is what init says when every service said READY.
const upMarker = "spoolgate: services started"

func buildImage(t *testing.T) (context.Context, Image) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	image, err := BuildImage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, image
}

func powerOn(t *testing.T, ctx context.Context, image Image, disk string) *VM {
	t.Helper()
	v, err := Start(ctx, Config{Disk: disk, Image: image, Log: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.CutPower)
	return v
}

func waitFor(t *testing.T, ctx context.Context, v *VM, marker string) {
	t.Helper()
	if _, err := v.WaitFor(ctx, marker); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, ctx context.Context, v *VM, command string) string {
	t.Helper()
	out, err := v.Run(ctx, command)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// quietly runs a command that has nothing to say when it works.
func quietly(t *testing.T, ctx context.Context, v *VM, command string) {
	t.Helper()
	if out := run(t, ctx, v, command); out != "" {
		t.Fatalf("%s: %s", command, out)
	}
}

func services(t *testing.T, ctx context.Context, v *VM) api.Services {
	t.Helper()
	s, err := v.Services(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// restarted waits until a service runs with another process than before.
func restarted(t *testing.T, ctx context.Context, v *VM, old api.Daemon) api.Daemon {
	t.Helper()
	for {
		run(t, ctx, v, "sleep 0.3")
		list := services(t, ctx, v).Services
		i := slices.IndexFunc(list, func(d api.Daemon) bool { return d.Name == old.Name })
		if i < 0 {
			t.Fatalf("no service %s", old.Name)
		}
		if d := list[i]; d.State == api.DaemonRunning && d.PID != old.PID {
			return d
		}
		if ctx.Err() != nil {
			t.Fatalf("%s did not come back: %+v", old.Name, list[i])
		}
	}
}

func TestBoxStartsFromItsDiskAndKnowsWhyItStarted(t *testing.T) {
	ctx, image := buildImage(t)
	disk, err := image.Disk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	v := powerOn(t, ctx, image, disk)
	waitFor(t, ctx, v, upMarker)
	t.Logf("power-on to all services: %.1f s", time.Since(start).Seconds())
	s := services(t, ctx, v)
	if s.Boot.Board != "virt" || s.Boot.Slot != "A" || s.Boot.LastEnd != "first start" || len(s.Boot.Problems) > 0 {
		t.Errorf("came up as %+v", s.Boot)
	}
	for _, d := range s.Services {
		if d.State != api.DaemonRunning || d.Restarts != 0 {
			t.Errorf("%s is %s after %d restarts: %s", d.Name, d.State, d.Restarts, d.LastExit)
		}
	}
	panelFaultIsShown(t, ctx, v)
	run(t, ctx, v, "echo kept > /data/witness; sync")
	v.CutPower()

	v = powerOn(t, ctx, image, disk)
	waitFor(t, ctx, v, upMarker)
	if s := services(t, ctx, v); s.Boot.LastEnd != "power" {
		t.Errorf("after a power cut: %q", s.Boot.LastEnd)
	}
	if kept := run(t, ctx, v, "cat /data/witness"); strings.TrimSpace(kept) != "kept" {
		t.Errorf("the data partition lost its file: %q", kept)
	}
	if err := v.Type("kill -SIGTERM 1\r"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, ctx, v, "spoolgate: restart: asked for by an operator")
	waitFor(t, ctx, v, upMarker) // the machine goes on through its reset
	if s := services(t, ctx, v); !strings.HasPrefix(s.Boot.LastEnd, "operator") {
		t.Errorf("after an orderly restart: %q", s.Boot.LastEnd)
	}
	if err := v.Type("kill -SIGUSR2 1\r"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-v.Done():
	case <-ctx.Done():
		t.Error("the box did not power off")
	}
}

// The last of these starts finds its slot destroyed as well.
func TestStartSurvivesPowerCutsAndTheLossOfASlot(t *testing.T) {
	ctx, image := buildImage(t)
	disk, err := image.Disk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, marker := range []string{"spoolgate: slot A", "Starting kernel", upMarker} {
		v := powerOn(t, ctx, image, disk)
		waitFor(t, ctx, v, marker)
		v.CutPower()
	}
	wreck(t, disk, slotAOffset)
	v := powerOn(t, ctx, image, disk)
	waitFor(t, ctx, v, "spoolgate: slot A does not start")
	waitFor(t, ctx, v, upMarker)
	if s := services(t, ctx, v); s.Boot.Slot != "B" || s.Boot.LastEnd != "power" || len(s.Boot.Problems) > 0 {
		t.Errorf("came up as %+v", s.Boot)
	}
}
