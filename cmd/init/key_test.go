package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestKeyIsMadeOnceAndReadByItsGroupAlone(t *testing.T) {
	const group = 212
	dir := t.TempDir()
	path := filepath.Join(dir, "key", "box.key")
	read := func() []byte {
		t.Helper()
		if err := placeKey(path, group); err != nil {
			t.Fatal(err)
		}
		key, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := read()
	if !bytes.Equal(read(), first) {
		t.Error("the next start made another key")
	}
	for name, mode := range map[string]os.FileMode{path: 0o640, filepath.Dir(path): 0o750 | os.ModeDir} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); info.Mode() != mode || owner.Uid != 0 || owner.Gid != group {
			t.Errorf("%s: %s, %d:%d", name, info.Mode(), owner.Uid, owner.Gid)
		}
	}
	if err := markReset(dir); err != nil {
		t.Fatal(err)
	}
	if err := wipe(dir); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(read(), first) {
		t.Error("a factory reset leaves the key")
	}
}
