package initramfs

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"time"

	"github.com/u-root/u-root/pkg/cpio"
)

// Input is what an image is composed of beside this package's own files.
type Input struct {
	Init     string            // file: the program of PID 1
	Programs map[string]string // name below /bin -> file
	Busybox  string            // file: u-root's applets in one program
	Applets  []string          // its names
	Modules  Modules
	Release  Release
}

// Release is what the image says of itself in /etc/spoolgate.json.
type Release struct {
	Version string    `json:"version"`
	Board   string    `json:"board"`
	Built   time.Time `json:"built"` // no clock of the box may show an earlier time
}

// Compose writes the root file system to w as a cpio archive, uncompressed.
func Compose(w io.Writer, in Input) error {
	records := skeleton()
	etc, err := staticFiles()
	if err != nil {
		return err
	}
	records = append(records, etc...)
	release, err := json.Marshal(in.Release)
	if err != nil {
		return err
	}
	records = append(records, cpio.StaticFile("etc/spoolgate.json", string(release)+"\n", 0o644))

	programs, err := in.programs()
	if err != nil {
		return err
	}
	records = append(records, programs...)
	modules, err := in.Modules.records()
	if err != nil {
		return err
	}
	records = append(records, modules...)

	cpio.MakeAllReproducible(records)
	out := cpio.Newc.Writer(w)
	if err := cpio.WriteRecords(out, records); err != nil {
		return err
	}
	return cpio.WriteTrailer(out)
}

func staticFiles() ([]cpio.Record, error) {
	var records []cpio.Record
	err := fs.WalkDir(static, "etc", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		records = append(records, cpio.StaticFile(name, string(text), 0o644))
		return nil
	})
	return records, err
}

func (in Input) programs() ([]cpio.Record, error) {
	var records []cpio.Record
	add := func(name, file string) error {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("program %s: %w", name, err)
		}
		records = append(records, cpio.StaticFile(name, string(content), 0o755))
		return nil
	}
	if err := add("init", in.Init); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(in.Programs)) {
		if err := add(path.Join("bin", name), in.Programs[name]); err != nil {
			return nil, err
		}
	}
	if err := add("bin/bb", in.Busybox); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(slices.Values(in.Applets)) {
		if _, ours := in.Programs[name]; !ours {
			records = append(records, cpio.Symlink(path.Join("bin", name), "bb"))
		}
	}
	return records, nil
}
