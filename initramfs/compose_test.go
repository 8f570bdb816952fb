package initramfs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"
)

// input is a small image: programs of a few bytes and three modules, of which
// one is not wanted.
func input(t *testing.T) Input {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("6.12/modules.dep", "kernel/fs/ext4.ko: kernel/lib/crc-16.ko\nkernel/lib/crc-16.ko:\nkernel/x/other.ko:\n")
	write("6.12/kernel/fs/ext4.ko", "ext4")
	write("6.12/kernel/lib/crc-16.ko", "crc")
	return Input{
		Init: write("init", "init"), Busybox: write("bb", "bb"), Applets: []string{"ls", "netd"},
		Programs: map[string]string{"netd": write("netd", "netd")},
		Modules:  Modules{Dir: filepath.Join(dir, "6.12"), Names: []string{"ext4"}},
		Release:  Release{Version: "v1", Board: "virt", Built: time.Unix(0, 0).UTC()},
	}
}

func compose(t *testing.T, in Input) *cpio.Archive {
	t.Helper()
	var out bytes.Buffer
	if err := Compose(&out, in); err != nil {
		t.Fatal(err)
	}
	archive, err := cpio.ArchiveFromReader(cpio.Newc.Reader(bytes.NewReader(out.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func TestFilesHaveExactModesWhateverTheBuildersAre(t *testing.T) {
	archive := compose(t, input(t))
	for name, mode := range map[string]uint64{
		".": cpio.S_IFDIR | 0o755, "tmp": cpio.S_IFDIR | 0o1777, "root": cpio.S_IFDIR | 0o700,
		"init": cpio.S_IFREG | 0o755, "bin/netd": cpio.S_IFREG | 0o755, "bin/ls": cpio.S_IFLNK | 0o777,
		"etc/passwd": cpio.S_IFREG | 0o644, "dev/console": cpio.S_IFCHR | 0o600,
	} {
		r, ok := archive.Get(name)
		if !ok || r.Mode != mode || r.UID != 0 || r.GID != 0 {
			t.Errorf("%s: there %v, mode %o of %d:%d, want %o of 0:0", name, ok, r.Mode, r.UID, r.GID, mode)
		}
	}
}

func TestSameInputGivesTheSameBytes(t *testing.T) {
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := Compose(out, input(t)); err != nil { // other files, other times, same content
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two runs differ")
	}
}

func TestModulesBringWhatTheyNeedAndNothingElse(t *testing.T) {
	archive := compose(t, input(t))
	var modules []string
	for _, name := range archive.Order {
		if strings.HasSuffix(name, ".ko") {
			modules = append(modules, filepath.Base(name))
		}
	}
	if strings.Join(modules, " ") != "ext4.ko crc-16.ko" {
		t.Errorf("modules %q", modules)
	}
	in := input(t)
	in.Modules.Names = []string{"crc_16", "missing"}
	if err := Compose(&bytes.Buffer{}, in); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a module that is not there: %v", err)
	}
}

func TestFolderComesBeforeWhatIsInIt(t *testing.T) {
	// The kernel drops a file whose folder is not there yet.
	archive := compose(t, input(t))
	seen := map[string]bool{".": true}
	for _, name := range archive.Order {
		if !seen[filepath.Dir(name)] {
			t.Errorf("%s comes before its folder", name)
		}
		seen[name] = true
	}
}
