package dataplane

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Entry is a binding as the journal keeps it: by the node's address, so that it
// never comes to mean another machine after a change (haproxy #814).
type Entry struct {
	VirtualAddress, Client, Node netip.Addr
	// Left of the window when the journal was written.
	Left time.Duration
	// Since is when the client was bound to this node, or the latest that it can have
	// been, where it may have been Earlier.
	Since   time.Time
	Earlier bool
}

// Record is all that the journal keeps.
type Record struct {
	// Written is when; Left counts from then.
	Written time.Time
	Entries []Entry
	// Services is what the operator wants of nodes that are not simply in
	// service, by address, in the words of package api.
	Services map[netip.Addr]string
}

// Journal is the file that remembers who is where over a reboot. A power cut at
// any moment leaves the record before or the new one whole.
type Journal struct {
	dir  string
	last time.Time
}

// journalInterval is the least time between two writes that nobody asked for:
// the data partition is flash.
const journalInterval = time.Minute

const (
	journalName = "bindings"
	journalOld  = "bindings.old"
	journalTemp = "bindings.tmp"
)

// OpenJournal opens the journal in a directory, which it makes when it is not
// there.
func OpenJournal(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return &Journal{dir: dir}, nil
}

// Due reports whether a minute has passed since the last Save, done or failed.
func (j *Journal) Due(now time.Time) bool {
	since := now.Sub(j.last)
	return since >= journalInterval || since < 0
}

// Load reads the newest record that is whole. It is empty when there never was
// one. An error says that files are there and none of them can be read; the
// record is empty then, too, and the next Save starts anew.
func (j *Journal) Load() (Record, error) {
	var errs []error
	for _, name := range []string{journalName, journalOld, journalTemp} {
		b, err := os.ReadFile(filepath.Join(j.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			var r Record
			if r, err = decodeRecord(b); err == nil {
				return r, nil
			}
		}
		errs = append(errs, fmt.Errorf("read journal %s: %w", filepath.Join(j.dir, name), err))
	}
	return Record{}, errors.Join(errs...)
}

// Save writes a record and keeps the one before. It always writes: whether it
// is time is Due's answer.
func (j *Journal) Save(r Record) error {
	j.last = r.Written // a disk that fails is not tried at each tick
	temp := filepath.Join(j.dir, journalTemp)
	if err := writeSynced(temp, encodeRecord(r)); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	// Between the two renames only the old and the temporary name are there:
	// Load reads those too.
	current := filepath.Join(j.dir, journalName)
	err := os.Rename(current, filepath.Join(j.dir, journalOld))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the journal before: %w", err)
	}
	if err := os.Rename(temp, current); err != nil {
		return fmt.Errorf("put the journal in place: %w", err)
	}
	if err := syncDir(j.dir); err != nil {
		return fmt.Errorf("put the journal in place: %w", err)
	}
	return nil
}

func writeSynced(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
