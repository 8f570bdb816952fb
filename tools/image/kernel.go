package main

import "path/filepath"

// makeKernel takes Debian's kernel as it is, a plain image: it fits the slot,
// and U-Boot took 0.9 s under emulation to unpack a compressed one.
func (w *work) makeKernel() error {
	return copyFile(filepath.Join(w.packages.root, "boot", "vmlinuz-"+w.packages.kernel), w.kernelFile())
}
