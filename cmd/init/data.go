package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/u-root/u-root/pkg/mount"
	"golang.org/x/sys/unix"
)

const (
	dataPath = "/data"
	// dataLabel is the name of the partition in the partition table.
	dataLabel = "spoolgate-data"
	// dataPatience is how long a slow medium may take to appear.
	dataPatience = 5 * time.Second
)

// mountData mounts the data partition, or RAM in its place.
func (b *box) mountData() error {
	if err := os.MkdirAll(dataPath, 0o755); err != nil {
		return err
	}
	err := b.mountPartition()
	if err == nil {
		b.hasData = true
		return nil
	}
	if _, merr := mount.Mount("tmpfs", dataPath, "tmpfs", "mode=0755,size=32m", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC); merr != nil {
		return errors.Join(err, merr)
	}
	return err
}

func (b *box) mountPartition() error {
	device, err := waitForPartition(os.DirFS("/sys"), dataLabel, dataPatience)
	if err != nil {
		return err
	}
	damaged, err := damaged(device)
	if err != nil {
		return err
	}
	if damaged {
		b.problem(device + " has recorded errors of its file system: save the configuration and write the image anew")
	}
	// The journal is replayed by the mount itself: that is the check after a power cut.
	_, err = mount.Mount(device, dataPath, "ext4", "errors=remount-ro,commit=5",
		unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_NOATIME)
	return err
}

// waitForPartition finds the device of a partition by its name in the partition table.
func waitForPartition(sysfs fs.FS, label string, patience time.Duration) (string, error) {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		device, err := findPartition(sysfs, label)
		if err != nil || device != "" {
			return device, err
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("no partition %s came up within %v", label, patience)
		}
	}
}

func findPartition(sysfs fs.FS, label string) (string, error) {
	events, err := fs.Glob(sysfs, "class/block/*/uevent")
	if err != nil {
		return "", err
	}
	for _, name := range events {
		text, err := fs.ReadFile(sysfs, name)
		if err != nil {
			continue // gone meanwhile
		}
		for line := range strings.Lines(string(text)) {
			if strings.TrimSpace(line) == "PARTNAME="+label {
				return "/dev/" + filepath.Base(filepath.Dir(name)), nil
			}
		}
	}
	return "", nil
}

// damaged reads the state of an ext4 file system: errors that the kernel saw
// stay recorded there (s_state, bit 1; the super block is at byte 1024).
func damaged(device string) (bool, error) {
	f, err := os.Open(device)
	if err != nil {
		return false, err
	}
	defer f.Close()
	super := make([]byte, 64)
	if _, err := f.ReadAt(super, 1024); err != nil {
		return false, fmt.Errorf("read %s: %w", device, err)
	}
	if binary.LittleEndian.Uint16(super[56:]) != unix.EXT4_SUPER_MAGIC {
		return false, fmt.Errorf("%s holds no ext4 file system", device)
	}
	return binary.LittleEndian.Uint16(super[58:])&2 != 0, nil
}
