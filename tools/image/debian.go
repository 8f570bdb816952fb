package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"spoolgate/tools/debian"
)

// debianPackage is a package as it was fetched.
type debianPackage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

type packages struct {
	list   []debianPackage
	root   string // all of them unpacked
	kernel string // version as in /usr/lib/modules
}

// fetch brings the packages into the cache and unpacks them, unless a run
// before has done it. Removing the cache folder fetches Debian's newest.
func (w *work) fetch() error {
	dir := filepath.Join(w.cache, "debian-"+debian.Suite)
	w.packages.root = filepath.Join(dir, "root")
	done := filepath.Join(dir, "done")
	if _, err := os.Stat(done); errors.Is(err, os.ErrNotExist) {
		if err := fetchPackages(dir, w.packages.root); err != nil {
			return err
		}
		if err := os.WriteFile(done, nil, 0o644); err != nil {
			return err
		}
	}
	var err error
	if w.packages.list, err = describePackages(dir); err != nil {
		return err
	}
	versions, err := filepath.Glob(filepath.Join(w.packages.root, "usr/lib/modules/*"))
	if err != nil {
		return err
	}
	if len(versions) != 1 {
		return fmt.Errorf("%d kernels in %s, want 1: remove the folder", len(versions), w.packages.root)
	}
	w.packages.kernel = filepath.Base(versions[0])
	return nil
}

func fetchPackages(dir, root string) error {
	archive, err := debian.Open(dir)
	if err != nil {
		return err
	}
	kernel, err := kernelPackage(archive)
	if err != nil {
		return err
	}
	if err := archive.Download(kernel, "raspi-firmware", "u-boot-qemu", "u-boot-rockchip", "u-boot-rpi"); err != nil {
		return err
	}
	if err := archive.Unpack(root); err != nil {
		return err
	}
	// The package carries no modules.dep: Debian makes it at installation.
	version := strings.TrimPrefix(kernel, "linux-image-")
	_, err = output("/sbin/depmod", "-b", filepath.Join(root, "usr"), version)
	return err
}

// kernelPackage is what the package linux-image-arm64 stands for today.
func kernelPackage(archive debian.Archive) (string, error) {
	needs, err := archive.Depends("linux-image-arm64")
	if err != nil {
		return "", err
	}
	for _, name := range needs {
		if strings.HasPrefix(name, "linux-image-") {
			return name, nil
		}
	}
	return "", fmt.Errorf("linux-image-arm64 of %s depends on no kernel, but on %v", debian.Suite, needs)
}

// describePackages reads names and versions from the file names, which apt
// makes as name_version_architecture.deb with % for what a file cannot have.
func describePackages(dir string) ([]debianPackage, error) {
	debs, err := debian.Packages(dir)
	if err != nil {
		return nil, err
	}
	var list []debianPackage
	for _, deb := range debs {
		sum, err := hashFile(deb)
		if err != nil {
			return nil, err
		}
		parts := strings.Split(filepath.Base(deb), "_")
		if len(parts) != 3 {
			return nil, fmt.Errorf("%s is not named as a package", deb)
		}
		list = append(list, debianPackage{Name: parts[0], Version: parts[1], SHA256: sum})
	}
	return list, nil
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
