package guest

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"spoolgate/tools/debian"
)

// Proxy is HAProxy of Debian for the box's processor: an archive with the libraries that
// it needs.
type Proxy struct{ Archive, Version string }

// FetchProxy packs HAProxy into an archive in a folder, unless a run before has done it.
func FetchProxy(dir string) (Proxy, error) {
	const ends = ".tar"
	begins := filepath.Join(dir, "haproxy-"+debian.Suite+"-")
	had, err := filepath.Glob(begins + "*" + ends)
	if err != nil {
		return Proxy{}, err
	}
	if len(had) > 0 {
		return Proxy{had[0], strings.TrimSuffix(strings.TrimPrefix(had[0], begins), ends)}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Proxy{}, err
	}
	work, err := os.MkdirTemp(dir, "fetched-")
	if err != nil {
		return Proxy{}, err
	}
	defer os.RemoveAll(work)
	fetched, err := fetchProxy(work)
	if err != nil {
		return Proxy{}, err
	}
	packed := Proxy{begins + fetched.Version + ends, fetched.Version}
	return packed, os.Rename(fetched.Archive, packed.Archive)
}

func fetchProxy(work string) (p Proxy, err error) {
	downloads := filepath.Join(work, "archive")
	archive, err := debian.Open(downloads)
	if err != nil {
		return p, err
	}
	if err := archive.Download("haproxy", "libc6", "libcrypt1", "libgcc-s1", "libjemalloc2", "liblua5.4-0", "libopentracing-c-wrapper0t64",
		"libopentracing1", "libpcre2-8-0", "libssl3t64", "libstdc++6", "libzstd1", "zlib1g"); err != nil {
		return p, err
	}
	debs, err := debian.Packages(downloads)
	if err != nil {
		return p, err
	}
	for _, deb := range debs {
		// The name is PACKAGE_VERSION_ARCHITECTURE.deb.
		if parts := strings.Split(filepath.Base(deb), "_"); parts[0] == "haproxy" {
			p.Version = parts[1]
		}
	}
	root := filepath.Join(work, "root")
	if err := archive.Unpack(root); err != nil {
		return p, err
	}
	files, err := needed(filepath.Join(root, "usr/sbin/haproxy"), filepath.Join(root, "usr/lib/aarch64-linux-gnu"))
	if err != nil {
		return p, err
	}
	p.Archive = filepath.Join(work, "packed")
	return p, pack(p.Archive, files)
}

// needed are a program and all libraries that it is linked with.
func needed(program, libraries string) ([]string, error) {
	files := []string{program}
	for i := 0; i < len(files); i++ {
		f, err := elf.Open(files[i])
		if err != nil {
			return nil, err
		}
		names, err := f.ImportedLibraries()
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", files[i], err)
		}
		for _, name := range names {
			if path := filepath.Join(libraries, name); !slices.Contains(files, path) {
				files = append(files, path)
			}
		}
	}
	return files, nil
}

// pack puts files into an archive, without their folders.
func pack(to string, files []string) (err error) {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: filepath.Base(name), Mode: 0o755, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	return w.Close()
}

// unpack puts the files of an archive into a folder.
func unpack(archive, dir string) error {
	in, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), content, 0o755); err != nil {
			return err
		}
	}
}
