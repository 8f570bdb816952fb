package initramfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
	"github.com/ulikunitz/xz"
)

// Modules are the kernel modules of a board.
type Modules struct {
	// Dir is the folder of one kernel version, as /usr/lib/modules/6.12.0, with
	// a modules.dep that depmod made.
	Dir string
	// Names are wanted; what they depend on comes along.
	Names []string
}

// records are the wanted modules, decompressed because the archive is
// compressed as a whole, with a modules.dep for just them.
func (m Modules) records() ([]cpio.Record, error) {
	deps, err := readDeps(filepath.Join(m.Dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	files, err := deps.closure(m.Names)
	if err != nil {
		return nil, err
	}
	root := path.Join("lib/modules", filepath.Base(m.Dir))
	records := []cpio.Record{cpio.Directory(root, 0o755)}
	known := map[string]bool{root: true}
	var table strings.Builder
	for _, file := range files {
		for _, dir := range parents(path.Join(root, file), root) {
			if !known[dir] {
				known[dir] = true
				records = append(records, cpio.Directory(dir, 0o755))
			}
		}
		content, err := readModule(filepath.Join(m.Dir, file))
		if err != nil {
			return nil, err
		}
		records = append(records, cpio.StaticFile(path.Join(root, plain(file)), string(content), 0o644))
		fmt.Fprintf(&table, "%s:", plain(file))
		for _, d := range deps[file] {
			fmt.Fprintf(&table, " %s", plain(d))
		}
		table.WriteString("\n")
	}
	return append(records, cpio.StaticFile(path.Join(root, "modules.dep"), table.String(), 0o644)), nil
}

// dependencies are the files that each module's file needs, as in modules.dep.
type dependencies map[string][]string

func readDeps(name string) (dependencies, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	deps := dependencies{}
	for lines := bufio.NewScanner(f); ; {
		if !lines.Scan() {
			return deps, lines.Err()
		}
		file, needs, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			return nil, fmt.Errorf("%s: no colon in %q", name, lines.Text())
		}
		deps[file] = strings.Fields(needs)
	}
}

// closure lists the files of the named modules and all that they need, sorted.
func (d dependencies) closure(names []string) ([]string, error) {
	byName := map[string]string{}
	for file := range d {
		byName[moduleName(file)] = file
	}
	var files []string
	for _, name := range names {
		file, ok := byName[moduleName(name)]
		if !ok {
			return nil, fmt.Errorf("module %s is not in this kernel, or built in: correct the board's list", name)
		}
		files = append(append(files, file), d[file]...)
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// moduleName is the kernel's name: - and _ are the same to it.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".")
	return strings.ReplaceAll(name, "-", "_")
}

func plain(file string) string { return strings.TrimSuffix(file, ".xz") }

func readModule(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if plain(name) == name {
		return io.ReadAll(f)
	}
	r, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return content, nil
}

// parents lists the folders between root and file, the outermost first.
func parents(file, root string) []string {
	var dirs []string
	for dir := path.Dir(file); dir != root && dir != "."; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}
