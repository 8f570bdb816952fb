package board

import "testing"

func TestEveryBoardIsWiredWithoutContradiction(t *testing.T) {
	for _, b := range All() {
		t.Run(b.Name, func(t *testing.T) {
			used := map[Line]string{}
			claim := func(what string, l Line) {
				l.ActiveLow, l.PullUp = false, false
				if l.Chip == "" || l.Offset < 0 {
					t.Errorf("%s has no line", what)
				}
				if other, ok := used[l]; ok {
					t.Errorf("%s and %s are on one line", what, other)
				}
				used[l] = what
			}
			claim("button", b.Button)
			for _, lamp := range append([]Lamp{b.Lamps.Box}, b.Lamps.Nodes...) {
				claim("a red lamp", lamp.Red)
				claim("a green lamp", lamp.Green)
			}
			if len(b.Lamps.Nodes) < 2 {
				t.Error("a group has two nodes at least")
			}
			if b.Service.Device == "" {
				t.Error("the service interface must be known by its place")
			}
			if b.Watchdog.Device == "" || b.Watchdog.Seconds < 10 || b.Watchdog.Seconds > 60 {
				t.Errorf("watchdog %+v", b.Watchdog)
			}
			if e := b.Media.Environment; e.Size == 0 || len(e.Devices) == 0 || e.Script == 0 || e.Script >= b.Media.Load.Kernel {
				t.Errorf("environment of the boot loader %+v", e)
			}
			for _, name := range b.Modules {
				if name == "gpio_keys" {
					t.Error("gpio_keys takes the button's line")
				}
			}
		})
	}
}

func TestRunningBoardIsTheMostSpecificOneOfTheDeviceTree(t *testing.T) {
	for tree, want := range map[string]string{
		"linux,dummy-virt\x00":                             "virt",
		"raspberrypi,4-compute-module\x00brcm,bcm2711\x00": "cm4",
		"radxa,rockpi-e\x00rockchip,rk3328\x00":            "rockpie",
	} {
		if b, err := Running([]byte(tree)); err != nil || b.Name != want {
			t.Errorf("%q is %q, %v", tree, b.Name, err)
		}
	}
	if _, err := Running([]byte("acme,toaster\x00")); err == nil {
		t.Error("a toaster is no board")
	}
}
