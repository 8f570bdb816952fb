package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"spoolgate/board"
)

// flashSize is a flash chip of QEMU's board virt.
const flashSize = 64 << 20

// environment is the text of U-Boot's variables. What is not here U-Boot does
// not have: no net, no EFI, no other medium.
func environment(e board.Environment) string {
	var tries strings.Builder
	for _, d := range e.Devices {
		fmt.Fprintf(&tries, "setenv devtype %s; setenv devnum %d; run start; ", d.Type, d.Number)
	}
	lines := []string{
		// Nobody is asked for a key: noise on an open console line was one, and
		// left boxes at the prompt of their boot loader.
		"bootdelay=-2",
		fmt.Sprintf("start=if load ${devtype} ${devnum}:1 0x%x boot.scr; then source 0x%x; fi", e.Script, e.Script),
		// The medium may have been slow, or the power low: from the top again.
		"bootcmd=" + tries.String() + `echo "spoolgate: no boot partition"; sleep 5; reset`,
		"stdin=serial", "stdout=serial", "stderr=serial",
	}
	for _, name := range sortedKeys(e.More) {
		lines = append(lines, name+"="+e.More[name])
	}
	return strings.Join(lines, "\n") + "\n"
}

// makeEnvironment makes the file that U-Boot finds its variables in.
func (w *work) makeEnvironment() (string, error) {
	e := w.board.Media.Environment
	text, file := filepath.Join(w.out, "uboot.txt"), filepath.Join(w.out, "uboot.env")
	if err := os.WriteFile(text, []byte(environment(e)), 0o644); err != nil {
		return "", err
	}
	if _, err := output("mkenvimage", "-s", fmt.Sprint(e.Size), "-o", file, text); err != nil {
		return "", err
	}
	if e.File != "" || e.Sector != 0 {
		return file, nil
	}
	return file, os.Truncate(file, flashSize)
}
