package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"spoolgate/firmware/api"
)

// resetMarker exists from the moment that a factory reset is asked for until
// nothing else is left, so that a power cut in between leaves a reset that
// the next start completes.
const resetMarker = "factory-reset"

// asked does what a daemon may ask for; the supervisor has seen to that it may.
func (b *box) asked(service, what string) {
	if what != api.FactoryReset {
		return
	}
	e := ending{action: restart, why: "factory reset, asked for by " + service, reset: true}
	if b.hasData {
		if err := markReset(dataPath); err != nil {
			b.problem(fmt.Sprintf("factory reset: %v: nothing was changed; the medium may be worn out: write the image to a new one", err))
			return
		}
	}
	b.ask(e)
}

func markReset(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, resetMarker), nil, 0o600); err != nil {
		return err
	}
	return syncFolder(dir)
}

// completeReset ends what a power cut interrupted.
func (b *box) completeReset() error {
	if !b.hasData {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dataPath, resetMarker)); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := wipe(dataPath); err != nil {
		return err
	}
	b.say("a factory reset was completed")
	return nil
}

// wipe removes what was ever written to the data partition: configuration,
// journals, keys, certificate. The marker goes when all else is gone for sure.
// Removed is not erased: who must be sure that flash gives nothing back destroys it.
func wipe(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range entries {
		// lost+found is the file system's own.
		if e.Name() != resetMarker && e.Name() != "lost+found" {
			failed = append(failed, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if err := errors.Join(append(failed, syncFolder(dir))...); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, resetMarker)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(dir)
}

// syncFolder makes names that were made or removed in a folder last.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
