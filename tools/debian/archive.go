// Package debian brings packages of Debian for the box's processor, and what is in them.
package debian

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Suite is the Debian release that all of it comes from.
const Suite = "trixie"

// Archive is a folder with apt's state and what was downloaded. The machine's own apt is
// not touched, and root is not needed; apt checks Debian's signatures as always.
type Archive struct{ dir string }

// Open begins with an empty folder, and asks the machine's own mirror what there is.
func Open(dir string) (Archive, error) {
	dir, err := filepath.Abs(dir) // apt is run elsewhere
	if err != nil {
		return Archive{}, err
	}
	a := Archive{dir}
	if err := os.RemoveAll(dir); err != nil {
		return a, err
	}
	for _, d := range []string{"lists/partial", "cache/archives/partial", "deb"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return a, err
		}
	}
	mirror, err := mirror("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
	if err != nil {
		return a, err
	}
	source := fmt.Sprintf("deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main non-free-firmware\n", mirror, Suite)
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(source), 0o644); err != nil {
		return a, err
	}
	_, err = a.run("apt-get", "update")
	return a, err
}

// Download brings packages, without those that they depend on.
func (a Archive) Download(names ...string) error {
	_, err := a.run("apt-get", append([]string{"download"}, names...)...)
	return err
}

// Depends are the packages that a package needs.
func (a Archive) Depends(name string) (names []string, err error) {
	out, err := a.run("apt-cache", "depends", name)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: "); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// Packages are the files of what was downloaded.
func Packages(dir string) ([]string, error) { return filepath.Glob(filepath.Join(dir, "deb", "*.deb")) }

// Unpack puts the contents of all that was downloaded into a folder.
func (a Archive) Unpack(root string) error {
	debs, err := Packages(a.dir)
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if out, err := exec.Command("dpkg-deb", "-x", deb, root).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %s: %w\n%s", deb, err, out)
		}
	}
	return nil
}

// run runs apt's programs on a state of their own.
func (a Archive) run(program string, args ...string) ([]byte, error) {
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
	out, err := cmd.Output()
	if failed, ok := err.(*exec.ExitError); ok {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, failed.Stderr)
	}
	return out, err
}

// mirror is the first Debian archive in the machine's own sources, in either form that
// they come in.
func mirror(files ...string) (string, error) {
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			line := lines.Text()
			if before, options, ok := strings.Cut(line, "["); ok {
				_, after, _ := strings.Cut(options, "]")
				line = before + after
			}
			if f := strings.Fields(line); len(f) >= 2 && (f[0] == "URIs:" || f[0] == "deb") {
				return f[1], nil
			}
		}
	}
	return "", fmt.Errorf("no Debian mirror in %s", strings.Join(files, " or "))
}
