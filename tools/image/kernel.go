package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
)

// makeKernel compresses Debian's kernel, which comes as a plain image of 40 MB.
// U-Boot's booti unpacks it. Gzip, because the time and the sender in its
// header stay empty and the bytes are the same every time.
func (w *work) makeKernel() error {
	plain, err := os.ReadFile(filepath.Join(w.packages.root, "boot", "vmlinuz-"+w.packages.kernel))
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(plain); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(w.kernelFile(), packed.Bytes(), 0o644)
}
