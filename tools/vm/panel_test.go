package vm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"spoolgate/board"
	"spoolgate/firmware/api"
)

// shows waits until the lamp of the box shows a pattern.
func shows(t *testing.T, ctx context.Context, v *VM, pattern api.Pattern, colour api.Colour) {
	t.Helper()
	want := Shown{Pattern: pattern, Colour: colour}
	var last []Shown
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		var err error
		if last, err = v.WatchLamps(ctx, []board.Lamp{board.Virt().Lamps.Box}); err != nil {
			t.Fatal(err)
		}
		if last[0] == want {
			return
		}
	}
	t.Fatalf("the lamp of the box does not show %v, it shows %v", want, last[0])
}

// panelFaultIsShown takes the panel's program away for a while.
func panelFaultIsShown(t *testing.T, ctx context.Context, v *VM) {
	t.Helper()
	list := services(t, ctx, v).Services
	d := list[slices.IndexFunc(list, func(d api.Daemon) bool { return d.Name == "paneld" })]
	quietly(t, ctx, v, "mv /bin/paneld /bin/away")
	quietly(t, ctx, v, fmt.Sprintf("kill -9 %d", d.PID))
	shows(t, ctx, v, api.Fast, api.Red)
	quietly(t, ctx, v, "mv /bin/away /bin/paneld")
	again := restarted(t, ctx, v, d)
	if strings.Contains(again.LastExit, "busy") {
		t.Errorf("the panel's daemon met init at the lamps: %s", again.LastExit)
	}
}

func TestHoldingTheButtonFor15SecondsForgetsEverything(t *testing.T) {
	ctx, image := buildImage(t)
	disk, err := image.Disk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	v := powerOn(t, ctx, image, disk)
	waitFor(t, ctx, v, upMarker)
	run(t, ctx, v, "echo x > /data/config.toml; echo x > /data/webd/witness; sync")
	held := make(chan error, 1)
	go func() { held <- v.HoldButton(ctx, 16*time.Second) }()
	shows(t, ctx, v, api.Slow, api.Green) // the zone of the setup window
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	waitFor(t, ctx, v, "spoolgate: restart: factory reset, asked for by paneld")
	waitFor(t, ctx, v, upMarker)
	if s := services(t, ctx, v); !strings.Contains(s.Boot.LastEnd, "factory reset") || len(s.Boot.Problems) > 0 {
		t.Errorf("came up as %+v", s.Boot)
	}
	if found := run(t, ctx, v, "ls /data /data/webd"); strings.Contains(found, "config.toml") || strings.Contains(found, "witness") {
		t.Errorf("still there:\n%s", found)
	}

	// As if the power had failed in the middle of another one.
	run(t, ctx, v, "echo x > /data/config.toml; echo > /data/factory-reset; sync")
	v.CutPower()
	v = powerOn(t, ctx, image, disk)
	waitFor(t, ctx, v, "spoolgate: a factory reset was completed")
	waitFor(t, ctx, v, upMarker)
	if found := run(t, ctx, v, "ls /data"); strings.Contains(found, "config.toml") || strings.Contains(found, "factory-reset") {
		t.Errorf("still there: %s", found)
	}
}
