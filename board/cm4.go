package board

// CM4 is the Raspberry Pi Compute Module 4 (BCM2711) on the CM4 IO board or on
// a carrier with a second network interface at its PCIe lane.
//
// Wiring, by GPIO number of the 40-pin header; lamps are active-high through
// 330 ohm, the button closes to ground and uses the SoC's pull-up:
//
//	GPIO17 pin 11  box, red        GPIO24 pin 18  node 2, red
//	GPIO27 pin 13  box, green      GPIO25 pin 22  node 2, green
//	GPIO22 pin 15  node 1, red     GPIO5  pin 29  node 3, red
//	GPIO23 pin 16  node 1, green   GPIO6  pin 31  node 3, green
//	GPIO26 pin 37  button
//	GPIO14 pin 8   console, out    GPIO15 pin 10  console, in (115200 8N1)
//
// The console is the SoC's small UART (serial1): the other one is wired to Bluetooth.
//
// Network: the SoC's own interface (fd580000.ethernet) towards MFDs and nodes,
// the one at PCIe (Realtek or Intel) towards people. Without a second one
// everything is on the first. raspi4b, QEMU's board with this SoC, counts as one.
func CM4() Board {
	const chip = "pinctrl-bcm2711"
	line := func(n int) Line { return Line{Chip: chip, Offset: n} }
	return Board{
		Name:       "cm4",
		Compatible: []string{"raspberrypi,4-compute-module", "raspberrypi,4-model-b"},
		Console:    "ttyS1,115200",
		Lamps: Lamps{
			Box: Lamp{Red: line(17), Green: line(27)},
			Nodes: []Lamp{
				{Red: line(22), Green: line(23)},
				{Red: line(24), Green: line(25)},
				{Red: line(5), Green: line(6)},
			},
		},
		Button:     Line{Chip: chip, Offset: 26, ActiveLow: true, PullUp: true},
		Service:    NIC{Device: "fd580000.ethernet"},
		Management: NIC{Drivers: []string{"r8169", "igb", "igc", "e1000e"}},
		// The BCM2711's counter has 20 bits at 65536 Hz: 15 s is its end.
		Watchdog: Watchdog{Device: "/dev/watchdog", Seconds: 15},
		Modules: append(append([]string{
			"sdhci_iproc", "bcm2835_wdt", "bcm2835_rng", "iproc_rng200",
			"mdio_bcm_unimac", "broadcom", "genet", "realtek", "r8169", "igb", "igc", "e1000e",
		}, storageModules()...), networkModules()...),
		Media: Media{
			DeviceTree:   "broadcom/bcm2711-rpi-cm4-io.dtb",
			FirmwareTree: true,
			Load:         Load{Kernel: 0x02000000, Initrd: 0x08000000},
			// The firmware's device tree is where it says, fdt_addr, which U-Boot sets by
			// itself. Without U-Boot's own "preboot" neither PCIe nor USB is started.
			Environment: Environment{
				Size: 0x4000, File: "uboot.env", Devices: []Device{{"mmc", 0}}, Script: 0x01e00000,
			},
			Config: `# The Raspberry Pi's firmware reads this file. It starts U-Boot, which chooses the slot.
arm_64bit=1
kernel=u-boot.bin
enable_uart=1
device_tree=bcm2711-rpi-cm4-io.dtb
# GPIO26 is the button: pulled up before the kernel runs.
gpio=26=ip,pu
disable_splash=1
boot_delay=0
`,
			Files: []Blob{
				{Source: "/usr/lib/raspi-firmware/start4.elf", Target: "start4.elf"},
				{Source: "/usr/lib/raspi-firmware/fixup4.dat", Target: "fixup4.dat"},
				{Source: "/usr/lib/u-boot/rpi_arm64/u-boot.bin", Target: "u-boot.bin"},
			},
		},
	}
}
