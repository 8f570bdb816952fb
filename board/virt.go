package board

// Virt is QEMU's -M virt,acpi=off: what tests and make run boot.
//
// Wiring. One PL061 at 0x9030000 with 8 lines; lamps are active-high:
//
//	line 0  box, red        line 4  node 1, green
//	line 1  box, green      line 5  node 2, red
//	line 2  node 1, red     line 6  node 2, green
//	line 3  button, pulsed by the monitor command system_powerdown; QEMU wires it
//	        to the device tree's gpio-keys, so module gpio_keys must stay out
//	line 7  free: a third node has no lamp here
//
// A reader outside finds the levels of the outputs in the controller's data
// register: "xp /1wx 0x90303fc".
//
// Network: two virtio-net PCI functions, slot 2 towards MFDs and nodes, slot 3
// towards people. Watchdog: an i6300esb.
func Virt() Board {
	const chip = "9030000.pl061"
	line := func(n int) Line { return Line{Chip: chip, Offset: n} }
	return Board{
		Name:       "virt",
		Compatible: []string{"linux,dummy-virt"},
		Console:    "ttyAMA0,115200",
		Lamps: Lamps{
			Box:   Lamp{Red: line(0), Green: line(1)},
			Nodes: []Lamp{{Red: line(2), Green: line(4)}, {Red: line(5), Green: line(6)}},
		},
		Button:     line(3),
		Service:    NIC{Device: "0000:00:02.0"},
		Management: NIC{Device: "0000:00:03.0"},
		Watchdog:   Watchdog{Device: "/dev/watchdog", Seconds: 30},
		Modules: append(append([]string{"virtio_blk", "virtio_net", "i6300esb", "virtio_rng"},
			storageModules()...), networkModules()...),
		Media: Media{
			ROM:  "/usr/lib/u-boot/qemu_arm64/u-boot.bin",
			Load: Load{Kernel: 0x40400000, Initrd: 0x48000000},
			Environment: Environment{
				Size: 0x40000, Devices: []Device{{"virtio", 0}}, Script: 0x40200000,
				// QEMU leaves its device tree at the beginning of the RAM.
				More: map[string]string{"fdt_addr": "0x40000000"},
			},
		},
	}
}
