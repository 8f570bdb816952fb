// Package make tests what the Makefile promises; it needs root, as make test has.
package make

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// owner is a person who has the source; the number is nobody's on any machine.
const owner = 54321

// source is a person's copy of the Makefile over programs that only leave a
// file in build, as the real ones do.
func source(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	leaves := "#!/bin/sh\nmkdir -p build/of && echo >build/of/$$\n"
	for name, text := range map[string]string{
		"Makefile": string(makefile), "tools/deps.sh": "true\n", "tools/axe.sh": leaves,
		"bin/go": leaves, "bin/git": "#!/bin/sh\n", "bin/gofmt": "#!/bin/sh\n", "bin/sudo": "#!/bin/sh\nexec \"$@\"\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, owner, owner)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// These are sudo make, and make by a person who has sudo.
func TestWhatMakeLeavesBelongsToWhomTheSourceBelongs(t *testing.T) {
	for _, target := range []string{"deps", "image", "test"} {
		for _, uid := range []uint32{0, owner} {
			dir := source(t)
			cmd := exec.Command("make", target)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "MAKEFLAGS=")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("make %s by user %d: %v: %s", target, uid, err, out)
			}
			var files, foreign []string
			err := filepath.WalkDir(filepath.Join(dir, "build"), func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				files = append(files, path)
				if info.Sys().(*syscall.Stat_t).Uid != owner {
					foreign = append(foreign, path)
				}
				return nil
			})
			if err != nil || len(files) < 3 || len(foreign) > 0 {
				t.Errorf("make %s by user %d leaves what the person cannot write: %s (of %d files; %v)", target, uid, strings.Join(foreign, " "), len(files), err)
			}
		}
	}
}
