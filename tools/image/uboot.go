package main

import (
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"spoolgate/board"
)

//go:embed boot.script
var bootScript string

// script is what U-Boot runs on a board.
func script(b board.Board) string {
	at := func(address uint64) string { return fmt.Sprintf("0x%x", address) }
	tree, load := "${fdt_addr}", ""
	if b.Media.DeviceTree != "" && !b.Media.FirmwareTree {
		tree = at(b.Media.Load.Tree)
		load = " && load ${devtype} ${devnum}:${part} " + tree + " board.dtb"
	}
	return strings.NewReplacer("@CONSOLE@", b.Console, "@TREE@", tree, "@LOADTREE@", load,
		"@KERNEL@", at(b.Media.Load.Kernel), "@INITRD@", at(b.Media.Load.Initrd)).Replace(bootScript)
}

// bootFiles are the files of the boot partition: the script, its state, and
// what the board's firmware wants.
func (w *work) bootFiles() (map[string]string, error) {
	files := map[string]string{}
	write := func(name, text string) error {
		files[name] = filepath.Join(w.out, name)
		return os.WriteFile(files[name], []byte(text), 0o644)
	}
	source := filepath.Join(w.out, "boot.script")
	if err := os.WriteFile(source, []byte(script(w.board)), 0o644); err != nil {
		return nil, err
	}
	files["boot.scr"] = filepath.Join(w.out, "boot.scr")
	if _, err := output("mkimage", "-A", "arm64", "-T", "script", "-C", "none", "-n", "spoolgate", "-d", source, files["boot.scr"]); err != nil {
		return nil, err
	}
	state := "slot=A\ntrial=none\ntries=0\n"
	if err := write("state.env", state+strings.Repeat("\x00", stateSize-len(state))); err != nil {
		return nil, err
	}
	if w.board.Media.Config != "" {
		if err := write("config.txt", w.board.Media.Config); err != nil {
			return nil, err
		}
	}
	for _, f := range w.board.Media.Files {
		files[f.Target] = filepath.Join(w.packages.root, f.Source)
	}
	if w.board.Media.FirmwareTree {
		files[filepath.Base(w.board.Media.DeviceTree)] = w.deviceTree()
	}
	return files, nil
}

func (w *work) deviceTree() string {
	return filepath.Join(w.packages.root, "usr/lib", fmt.Sprintf("linux-image-%s", w.packages.kernel), w.board.Media.DeviceTree)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
