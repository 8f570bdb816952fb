package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Image is what tools/image made for QEMU.
type Image struct{ dir string }

// BuildImage makes the image of the board virt from the source that contains
// the current folder. Several callers take turns; what has not changed costs
// little.
func BuildImage(ctx context.Context) (Image, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return Image{}, fmt.Errorf("find the source: %w", err)
	}
	source := filepath.Dir(strings.TrimSpace(string(out)))
	build := filepath.Join(source, "build")
	if err := os.MkdirAll(build, 0o755); err != nil {
		return Image{}, err
	}
	lock, err := os.OpenFile(filepath.Join(build, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return Image{}, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return Image{}, fmt.Errorf("wait for another build: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "run", "./tools/image", "-board", "virt")
	cmd.Dir = source
	if said, err := cmd.CombinedOutput(); err != nil {
		return Image{}, fmt.Errorf("build the image: %w\n%s", err, said)
	}
	return OpenImage(filepath.Join(build, "virt")), nil
}

// OpenImage is an image that has been built into dir.
func OpenImage(dir string) Image { return Image{dir: dir} }

// Dir is where the image is.
func (i Image) Dir() string { return i.dir }

// bootLoader is U-Boot, and environment the flash chip with its variables.
func (i Image) bootLoader() string  { return filepath.Join(i.dir, "u-boot.bin") }
func (i Image) environment() string { return filepath.Join(i.dir, "uboot.env") }

// Disk copies the image's disk into dir, for one box to write to.
func (i Image) Disk(dir string) (string, error) {
	disk := filepath.Join(dir, "disk.img")
	return disk, CopyDisk(filepath.Join(i.dir, "spoolgate-virt.img"), disk)
}

// dataOffset is where the data partition starts, in bytes: tools/image's table.
const dataOffset = (16 + 32 + 2*64) << 20

// PutData puts a file into the data partition of a disk that is not in use,
// such as a configuration as config.toml.
func PutData(disk, file, name string) error {
	// debugfs ends with 0 whatever happens; what it says tells.
	cmd := exec.Command("/sbin/debugfs", "-w", "-f", "/dev/stdin", fmt.Sprintf("%s?offset=%d", disk, dataOffset))
	cmd.Stdin = strings.NewReader(fmt.Sprintf("rm /%s\nwrite %s /%s\nset_inode_field /%s mode 0100644\nstat /%s\n", name, file, name, name, name))
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "Type: regular") {
		return fmt.Errorf("put %s on the data partition: %v\n%s", name, err, said)
	}
	return nil
}
