package board

// RockPiE is the Radxa ROCK Pi E (RK3328), which has two interfaces on board.
//
// Wiring, by line of bank gpio2 and pin of the 40-pin header; lamps are
// active-high through 330 ohm, the button closes to ground and uses the SoC's
// pull-up:
//
//	C0 pin 32  box, red        C4 pin 29  node 2, red
//	C1 pin 35  box, green      C5 pin 31  node 2, green
//	C2 pin 12  node 1, red     C6 pin 37  node 3, red
//	C3 pin 38  node 1, green   C7 pin 40  node 3, green
//	B7 pin 36  button
//	A0 pin 8   console, out    A1 pin 10  console, in (1500000 8N1)
//
// Pins 13 and 33 are no use: A3 cannot be driven low, A6 is an interrupt of the
// board.
//
// Network: the gigabit socket (ff540000.ethernet) towards MFDs and nodes, the
// 100 Mbit/s one (ff550000.ethernet) towards people.
func RockPiE() Board {
	const chip = "gpio2"
	line := func(n int) Line { return Line{Chip: chip, Offset: n} }
	return Board{
		Name:       "rockpie",
		Compatible: []string{"radxa,rockpi-e"},
		Console:    "ttyS2,1500000",
		Lamps: Lamps{
			Box: Lamp{Red: line(16), Green: line(17)},
			Nodes: []Lamp{
				{Red: line(18), Green: line(19)},
				{Red: line(20), Green: line(21)},
				{Red: line(22), Green: line(23)},
			},
		},
		Button:     Line{Chip: chip, Offset: 15, ActiveLow: true, PullUp: true},
		Service:    NIC{Device: "ff540000.ethernet"},
		Management: NIC{Device: "ff550000.ethernet"},
		Watchdog:   Watchdog{Device: "/dev/watchdog", Seconds: 20},
		Modules: append(append([]string{
			"gpio_rockchip", "i2c_rk3x", "rk808_regulator", "fixed", "gpio_regulator", "io_domain",
			"dw_mmc_rockchip", "dw_wdt", "rockchip", "realtek", "dwmac_rk",
		}, storageModules()...), networkModules()...),
		Media: Media{
			DeviceTree: "rockchip/rk3328-rock-pi-e.dtb",
			Load:       Load{Kernel: 0x02000000, Initrd: 0x0a000000, Tree: 0x01f00000},
			// U-Boot looks for it on the SD card; started from eMMC alone it may not find
			// it, and then has the 2 s and the network of its own one.
			Environment: Environment{
				Size: 0x8000, Sector: 0x3f8000 / 512, Devices: []Device{{"mmc", 1}, {"mmc", 0}}, Script: 0x00500000,
			},
			Raw: []Blob{
				{Source: "/usr/lib/u-boot/rock-pi-e-rk3328/idbloader.img", Sector: 64},
				{Source: "/usr/lib/u-boot/rock-pi-e-rk3328/u-boot.itb", Sector: 16384},
			},
		},
	}
}
