package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	"spoolgate/initramfs"
)

// manifest says what an image was made of.
type manifest struct {
	Release  initramfs.Release `json:"release"`
	Kernel   string            `json:"kernel"`
	Packages []debianPackage   `json:"packages"`
	Files    map[string]string `json:"files"` // name -> SHA-256
}

func (w *work) makeManifest() error {
	m := manifest{Release: w.release, Kernel: w.packages.kernel, Packages: w.packages.list, Files: map[string]string{}}
	for _, name := range []string{w.kernelFile(), w.initrdFile(), w.diskFile()} {
		sum, err := hashFile(name)
		if err != nil {
			return err
		}
		m.Files[filepath.Base(name)] = sum
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.out, "manifest.json"), append(text, '\n'), 0o644)
}
