package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// usedData is a data partition with something of everybody on it.
func usedData(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"config.toml", "balancerd/journal", "webd/key.pem", "init/clock", "lost+found/x"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestFactoryResetForgetsEverything(t *testing.T) {
	dir := usedData(t)
	if err := markReset(dir); err != nil {
		t.Fatal(err)
	}
	if err := wipe(dir); err != nil {
		t.Fatal(err)
	}
	if names := left(t, dir); !slices.Equal(names, []string{"lost+found"}) {
		t.Errorf("left: %q", names)
	}
}

// As after a power cut in the middle: some is gone, some is there, and the
// marker stays until the rest is gone.
func TestInterruptedFactoryResetIsKnownAtTheNextStart(t *testing.T) {
	dir := usedData(t)
	if err := markReset(dir); err != nil {
		t.Fatal(err)
	}
	// A file system mounted in there cannot be removed, like a medium that fails.
	blocked := filepath.Join(dir, "webd")
	mountOver(t, blocked)
	if err := wipe(dir); err == nil {
		t.Fatal("what could not be removed was not reported")
	}
	if names := left(t, dir); !slices.Contains(names, resetMarker) || slices.Contains(names, "config.toml") {
		t.Errorf("left: %q", names)
	}
	unmount(t, blocked)
	if err := wipe(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, resetMarker)); !os.IsNotExist(err) {
		t.Errorf("the marker: %v", err)
	}
	if _, err := fs.Stat(os.DirFS(dir), "webd"); err == nil {
		t.Error("the keys are still there")
	}
}

func TestOnlyThePanelMayAskForAFactoryReset(t *testing.T) {
	for _, s := range services("") {
		if may := len(s.asks) > 0; may != (s.name == panelDaemon) {
			t.Errorf("%s may ask for %q", s.name, s.asks)
		}
	}
}

func mountOver(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }) // for a test that failed before
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
}
