package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// partition is one entry of the disk; sizes are in sectors of 512 bytes.
type partition struct {
	name        string
	start, size int64
	guid        string // of the type
}

const (
	sector = 512
	mib    = 1 << 20 / sector
	// firstPartition leaves room for the raw boot loaders of Rockchip, whose
	// last begins at sector 16384 (8 MiB).
	firstPartition = 16 * mib
	bootSize       = 32 * mib
	// slotSize is a promise to every box in the field: an update must fit.
	slotSize = 64 * mib
	dataSize = 256 * mib

	basicData = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
	linuxData = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
)

// partitions are the disk of every board: boot | slot A | slot B | data.
func partitions() []partition {
	return []partition{
		{"spoolgate-boot", firstPartition, bootSize, basicData},
		{"spoolgate-a", firstPartition + bootSize, slotSize, basicData},
		{"spoolgate-b", firstPartition + bootSize + slotSize, slotSize, basicData},
		{"spoolgate-data", firstPartition + bootSize + 2*slotSize, dataSize, linuxData},
	}
}

// stateSize is that of state.env, the same at each write, so that a write
// changes neither the file's length nor its place.
const stateSize = 128

// makeDisk writes the image. Both slots hold the same release: a box that
// cannot read one of them at its first start has the other.
func (w *work) makeDisk() error {
	parts := partitions()
	last := parts[len(parts)-1]
	if err := w.makeTable(parts, last.start+last.size+mib); err != nil {
		return err
	}
	if rom := w.board.Media.ROM; rom != "" {
		if err := copyFile(filepath.Join(w.packages.root, rom), filepath.Join(w.out, "u-boot.bin")); err != nil {
			return err
		}
	}
	environment, err := w.makeEnvironment()
	if err != nil {
		return err
	}
	boot, err := w.bootFiles()
	if err != nil {
		return err
	}
	if name := w.board.Media.Environment.File; name != "" {
		boot[name] = environment
	}
	slot := map[string]string{"kernel": w.kernelFile(), "initrd": w.initrdFile()}
	if w.board.Media.DeviceTree != "" && !w.board.Media.FirmwareTree {
		slot["board.dtb"] = w.deviceTree()
	}
	for _, p := range parts {
		var err error
		file := filepath.Join(w.out, p.name+".part")
		switch p.name {
		case "spoolgate-boot":
			err = makeFAT(file, p, "SG-BOOT", boot)
		case "spoolgate-data":
			err = w.makeData(file, p)
		default:
			err = makeFAT(file, p, "SG-SLOT", slot)
		}
		if err == nil {
			err = w.place(file, p.start)
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.name, err)
		}
	}
	for _, raw := range w.board.Media.Raw {
		if err := w.place(filepath.Join(w.packages.root, raw.Source), raw.Sector); err != nil {
			return err
		}
	}
	if at := w.board.Media.Environment.Sector; at != 0 {
		return w.place(environment, at)
	}
	return nil
}

func (w *work) makeTable(parts []partition, sectors int64) error {
	if err := os.RemoveAll(w.diskFile()); err != nil {
		return err
	}
	f, err := os.Create(w.diskFile())
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(sectors * sector); err != nil {
		return err
	}
	var table strings.Builder
	// Raw boot loaders lie between the table and the first partition.
	fmt.Fprintf(&table, "label: gpt\nlabel-id: 5350474C-0000-4000-8000-000000000000\nfirst-lba: 34\n")
	for i, p := range parts {
		fmt.Fprintf(&table, "start=%d, size=%d, type=%s, name=%s, uuid=5350474C-0000-4000-8000-%012d\n", p.start, p.size, p.guid, p.name, i+1)
	}
	cmd := exec.Command("/sbin/sfdisk", "--quiet", w.diskFile())
	cmd.Stdin = strings.NewReader(table.String())
	_, err = said(cmd)
	return err
}

// place copies a file into the disk image, leaving holes where it is zero.
func (w *work) place(file string, start int64) error {
	_, err := output("dd", "if="+file, "of="+w.diskFile(), "bs=512", fmt.Sprintf("seek=%d", start), "conv=notrunc,sparse", "status=none")
	return err
}

// makeFAT makes a file system of name -> file.
func makeFAT(image string, p partition, label string, files map[string]string) error {
	if err := os.RemoveAll(image); err != nil {
		return err
	}
	size := fmt.Sprint(p.size * sector / 1024)
	if _, err := output("/sbin/mkfs.vfat", "--invariant", "-C", "-S", "512", "-n", label, image, size); err != nil {
		return err
	}
	made := map[string]bool{".": true}
	for _, name := range sortedKeys(files) {
		if dir := filepath.Dir(name); !made[dir] {
			made[dir] = true
			if _, err := output("mmd", "-i", image, "::"+dir); err != nil {
				return err
			}
		}
		if _, err := output("mcopy", "-i", image, files[name], "::"+name); err != nil {
			return err
		}
	}
	return nil
}

// makeData makes the data partition, with a configuration when there is one.
func (w *work) makeData(image string, p partition) error {
	root := filepath.Join(w.out, "data")
	for _, step := range []func() error{
		func() error { return os.RemoveAll(root) },
		func() error { return os.MkdirAll(root, 0o755) },
		func() error { return os.RemoveAll(image) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if w.config != "" {
		if err := copyFile(w.config, filepath.Join(root, "config.toml")); err != nil {
			return err
		}
	}
	_, err := output("/sbin/mkfs.ext4", "-q", "-F", "-L", "spoolgate-data", "-d", root, "-E", "root_owner=0:0",
		"-O", "^metadata_csum_seed,^orphan_file", image, fmt.Sprintf("%dk", p.size*sector/1024))
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
