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

	"spoolgate/tools/debian"
)

// FetchProxy packs HAProxy of Debian for the box's processor, with the libraries that it
// needs, into an archive in a folder, unless a run before has done it.
func FetchProxy(dir string) (string, error) {
	packed := filepath.Join(dir, "haproxy-"+debian.Suite+".tar")
	if _, err := os.Stat(packed); !errors.Is(err, os.ErrNotExist) {
		return packed, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(dir, "haproxy-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	archive, err := debian.Open(filepath.Join(work, "archive"))
	if err != nil {
		return "", err
	}
	if err := archive.Download("haproxy", "libc6", "libcrypt1", "libgcc-s1", "libjemalloc2", "liblua5.4-0", "libopentracing-c-wrapper0t64",
		"libopentracing1", "libpcre2-8-0", "libssl3t64", "libstdc++6", "libzstd1", "zlib1g"); err != nil {
		return "", err
	}
	root := filepath.Join(work, "root")
	if err := archive.Unpack(root); err != nil {
		return "", err
	}
	files, err := needed(filepath.Join(root, "usr/sbin/haproxy"), filepath.Join(root, "usr/lib/aarch64-linux-gnu"))
	if err != nil {
		return "", err
	}
	unfinished := filepath.Join(work, "packed")
	if err := pack(unfinished, files); err != nil {
		return "", err
	}
	return packed, os.Rename(unfinished, packed)
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
