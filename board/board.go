// Package board is what differs from board to board, as data: lamps and button,
// network interfaces, watchdog, kernel modules, and what the boot medium needs.
// One file a board; its comment is the wiring. Mechanism is in package hal.
package board

import (
	"fmt"
	"slices"
	"strings"
)

// Board is one kind of hardware.
type Board struct {
	Name string // as in make image BOARD=
	// Compatible are the device tree's names of it, of which one is enough
	// (/proc/device-tree/compatible).
	Compatible []string
	Console    string // kernel console, "ttyAMA0,115200"
	Lamps      Lamps
	Button     Line
	Service    NIC // towards MFDs and nodes
	Management NIC // towards people
	Watchdog   Watchdog
	// Modules are loaded in this order at boot, with what they depend on.
	Modules []string
	Media   Media
}

// Lamps are the lamps of the front panel.
type Lamps struct {
	Box   Lamp
	Nodes []Lamp // in the order of the front plate; a board may have fewer than a site has nodes
}

// Lamp is a two-colour lamp: red and green together are amber.
type Lamp struct{ Red, Green Line }

// Line is a line of a GPIO chip.
type Line struct {
	Chip      string // label of the chip (GPIO_GET_CHIPINFO_IOCTL), never its number
	Offset    int
	ActiveLow bool // low means lit, or pressed
	PullUp    bool // the SoC's own pull-up is needed
}

// NIC says how to recognise a network interface. Names like eth0 are given in
// the order of detection, and openwrt #14732 shows what comes of trusting them.
type NIC struct {
	// Device is the end, or any whole element, of the path of the interface's
	// device in sysfs: "fd580000.ethernet", "0000:00:02.0".
	Device string
	// Drivers is used when Device is empty or absent: the first interface of
	// one of these drivers that has no role yet.
	Drivers []string
}

// Watchdog is the hardware watchdog.
type Watchdog struct {
	Device  string // "/dev/watchdog"
	Seconds int    // to reset, at most what the hardware can count
}

// Media is what the boot medium needs beside the slots.
type Media struct {
	// DeviceTree is below /usr/lib/linux-image-VERSION of the kernel package;
	// empty means that the emulator brings its own.
	DeviceTree string
	// FirmwareTree says that the board's firmware reads the device tree from
	// the boot partition, completes it and hands it over; otherwise it is part
	// of the slot.
	FirmwareTree bool
	// ROM is the U-Boot that an emulated board starts from; real ones have
	// theirs on the medium.
	ROM string
	// Environment is U-Boot's.
	Environment Environment
	// Load is where U-Boot puts the parts of a slot. The kernel is a plain image
	// of some 40 MB, larger than the gaps in some of U-Boot's own defaults.
	Load Load
	// Raw are written to sectors of 512 bytes in front of the first partition.
	Raw []Blob
	// Files are put into the boot partition.
	Files []Blob
	// Config is the text of config.txt, read by the Raspberry Pi's firmware.
	Config string
}

// Environment is the stored environment of U-Boot, which replaces the one it was
// built with. That one waits 2 s for a key, and where the boot partition cannot be
// read it goes on to EFI, PXE and DHCP: on a customer's network whoever answers
// first would own the box. Ours knows the medium alone.
type Environment struct {
	// Size in bytes is what U-Boot was built with (CONFIG_ENV_SIZE); with another
	// one it finds the checksum wrong and takes its own environment.
	Size int
	// Where U-Boot looks for it: a file of the boot partition (CONFIG_ENV_FAT_FILE),
	// or a sector of 512 bytes (CONFIG_ENV_OFFSET). Neither: the second flash
	// chip of the emulator.
	File   string
	Sector int64
	// Devices are where the boot partition may be, in the order of the tries.
	Devices []Device
	// Script is where boot.scr is put: an address that no part of a slot reaches.
	Script uint64
	// More are variables that boot.scr needs beside.
	More map[string]string
}

// Device is a medium by U-Boot's name and number.
type Device struct {
	Type   string // "mmc"
	Number int
}

// Load are physical addresses; the initrd and the tree are moved once more
// before the kernel starts.
type Load struct{ Kernel, Initrd, Tree uint64 }

// Blob is a file of a Debian package and where it goes.
type Blob struct {
	Source string // absolute path in the package
	Target string // of Files: name in the boot partition
	Sector int64  // of Raw
}

// All lists the boards.
func All() []Board { return []Board{Virt(), CM4(), RockPiE()} }

// Named finds a board by its name.
func Named(name string) (Board, error) {
	var names []string
	for _, b := range All() {
		if b.Name == name {
			return b, nil
		}
		names = append(names, b.Name)
	}
	return Board{}, fmt.Errorf("board %q is not known: choose one of %s", name, strings.Join(names, ", "))
}

// Running finds the board from the content of /proc/device-tree/compatible:
// names that end in a zero byte each, the most specific first.
func Running(compatible []byte) (Board, error) {
	names := strings.Split(strings.TrimRight(string(compatible), "\x00"), "\x00")
	for _, name := range names {
		for _, b := range All() {
			if slices.Contains(b.Compatible, name) {
				return b, nil
			}
		}
	}
	return Board{}, fmt.Errorf("no board has the device tree name %s", strings.Join(names, " or "))
}

// networkModules are what the data plane and the interfaces need, and what the
// kernel would ask modprobe for, which the image does not have.
func networkModules() []string {
	return []string{
		"nf_conntrack", "nf_conntrack_netlink", "nf_conntrack_ftp", "nf_nat", "nf_nat_ftp",
		"nf_tables", "nft_ct", "nft_nat", "nft_chain_nat", "nft_masq", "nft_numgen", "nft_hash",
		"nft_reject_inet", "nft_reject_ipv4", "nft_reject_ipv6", "nft_limit", "nft_log",
		"nft_quota", "nft_redir", "nft_fib_inet", "nfnetlink_log", "nf_log_syslog",
		"8021q", "macvlan",
	}
}

// storageModules are what the data partition needs.
func storageModules() []string { return []string{"ext4", "crc32c_generic"} }
