package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// suite is the Debian release that kernel and boot loaders come from.
const suite = "trixie"

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

// apt runs apt's programs on a state of their own with architecture arm64: the
// machine's own apt is not touched, and root is not needed. apt checks Debian's
// signatures as always.
type apt struct{ dir string }

func (a apt) run(program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program)
	for _, o := range []string{
		"Dir::Etc::sourcelist=" + filepath.Join(a.dir, "sources.list"),
		"Dir::Etc::sourceparts=/dev/null", "Dir::Etc::preferencesparts=/dev/null",
		"Dir::State::lists=" + filepath.Join(a.dir, "lists"), "Dir::State::status=/dev/null",
		"Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Sandbox::User=root",
	} {
		cmd.Args = append(cmd.Args, "-o", o)
	}
	cmd.Args = append(cmd.Args, args...)
	cmd.Dir = filepath.Join(a.dir, "deb") // where "download" puts its files
	return said(cmd)
}

// fetch brings the packages into the cache and unpacks them, unless a run
// before has done it. Removing the cache folder fetches Debian's newest.
func (w *work) fetch() error {
	dir := filepath.Join(w.cache, "debian-"+suite)
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
	if w.packages.list, err = describePackages(filepath.Join(dir, "deb")); err != nil {
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
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, d := range []string{"lists/partial", "cache/archives/partial", "deb", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	mirror, err := debianMirror("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
	if err != nil {
		return err
	}
	source := fmt.Sprintf("deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main non-free-firmware\n", mirror, suite)
	a := apt{dir: dir}
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(source), 0o644); err != nil {
		return err
	}
	if _, err := a.run("apt-get", "update"); err != nil {
		return err
	}
	kernel, err := a.kernelPackage()
	if err != nil {
		return err
	}
	names := []string{kernel, "raspi-firmware", "u-boot-qemu", "u-boot-rockchip", "u-boot-rpi"}
	if _, err := a.run("apt-get", append([]string{"download"}, names...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(dir, "deb", "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if _, err := output("dpkg-deb", "-x", deb, root); err != nil {
			return err
		}
	}
	// The package carries no modules.dep: Debian makes it at installation.
	version := strings.TrimPrefix(kernel, "linux-image-")
	_, err = output("/sbin/depmod", "-b", filepath.Join(root, "usr"), version)
	return err
}

// kernelPackage is what the package linux-image-arm64 stands for today.
func (a apt) kernelPackage() (string, error) {
	out, err := a.run("apt-cache", "depends", "linux-image-arm64")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); ok && strings.HasPrefix(name, "linux-image-") {
			return name, nil
		}
	}
	return "", fmt.Errorf("linux-image-arm64 of %s depends on no kernel: %s", suite, out)
}

// debianMirror is the first Debian archive in the machine's own sources, in
// either form that they come in.
func debianMirror(files ...string) (string, error) {
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			fields = slices.DeleteFunc(fields, func(s string) bool { return strings.HasPrefix(s, "[") || strings.HasSuffix(s, "]") })
			if len(fields) >= 2 && (fields[0] == "URIs:" || fields[0] == "deb") {
				return fields[1], nil
			}
		}
	}
	return "", fmt.Errorf("no Debian mirror in %s", strings.Join(files, " or "))
}

// describePackages reads names and versions from the file names, which apt
// makes as name_version_architecture.deb with % for what a file cannot have.
func describePackages(dir string) ([]debianPackage, error) {
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
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
