package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"spoolgate/initramfs"
)

// appletPrefix marks those tools of go.mod that become rescue applets.
const appletPrefix = "github.com/u-root/u-root/cmds/core/"

func (w *work) goTool(env []string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = w.source
	cmd.Env = append(os.Environ(), env...)
	return said(cmd)
}

var arm64 = []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"}

// makeInitramfs builds the programs and composes the root file system.
func (w *work) makeInitramfs() error {
	bin := filepath.Join(w.out, "bin")
	if err := os.RemoveAll(bin); err != nil {
		return err
	}
	in := initramfs.Input{Release: w.release, Programs: map[string]string{}, Modules: initramfs.Modules{
		Dir: filepath.Join(w.packages.root, "usr/lib/modules", w.packages.kernel), Names: w.board.Modules,
	}}
	for _, name := range append([]string{"init"}, initramfs.Programs()...) {
		if _, err := os.Stat(filepath.Join(w.source, "cmd", name)); errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "image %s: no program %s in the source\n", w.board.Name, name)
			continue
		}
		file := filepath.Join(bin, name)
		if _, err := w.goTool(arm64, "build", "-trimpath", "-ldflags=-s -w", "-o", file, "./cmd/"+name); err != nil {
			return err
		}
		if name != "init" {
			in.Programs[name] = file
		}
	}
	in.Init = filepath.Join(bin, "init")
	var err error
	if in.Busybox, in.Applets, err = w.busybox(); err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := initramfs.Compose(&archive, in); err != nil {
		return err
	}
	return compress(w.initrdFile(), archive.Bytes())
}

func compress(name string, content []byte) error {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	return os.WriteFile(name, z.EncodeAll(content, nil), 0o644)
}

// busybox makes one program of u-root's applets. It takes a while, so the
// result is kept as long as the modules stay the same.
func (w *work) busybox() (string, []string, error) {
	out, err := w.goTool(nil, "list", "tool")
	if err != nil {
		return "", nil, err
	}
	var packages, names []string
	for _, p := range strings.Fields(string(out)) {
		if strings.HasPrefix(p, appletPrefix) {
			packages, names = append(packages, p), append(names, path.Base(p))
		}
	}
	version, err := w.goTool(nil, "list", "-m", "github.com/u-root/u-root", "github.com/u-root/gobusybox/src")
	if err != nil {
		return "", nil, err
	}
	key := sha256.Sum256(append(out, version...))
	file := filepath.Join(w.cache, "busybox-"+hex.EncodeToString(key[:8]))
	if _, err := os.Stat(file); err == nil {
		return file, names, nil
	}
	// The tool takes GOARCH as the target of its result, so it is built for
	// this machine first.
	makebb := filepath.Join(w.cache, "makebb")
	if _, err := w.goTool(nil, "build", "-o", makebb, "github.com/u-root/gobusybox/src/cmd/makebb"); err != nil {
		return "", nil, err
	}
	// goshliner: gosh's other line editor repaints the whole line at each key,
	// which a serial line is too slow for.
	cmd := exec.Command(makebb, append([]string{"-go-build-tags", "goshliner", "-o", file}, packages...)...)
	cmd.Dir, cmd.Env = w.source, append(os.Environ(), arm64...)
	_, err = said(cmd)
	return file, names, err
}
