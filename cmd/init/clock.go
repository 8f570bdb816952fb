package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// releasePath is written by the image's build.
const releasePath = "/etc/spoolgate.json"

// release is what the image says of itself.
type release struct {
	Version string    `json:"version"`
	Built   time.Time `json:"built"`
}

func (b *box) readRelease() error {
	text, err := os.ReadFile(releasePath)
	if err != nil {
		return err
	}
	var r release
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("read %s: %w", releasePath, err)
	}
	b.report.boot.Version, b.report.built = r.Version, r.Built
	return nil
}

// clockPath's modification time is the last moment that the box is sure of.
const clockPath = dataPath + "/init/clock"

// setClock moves the clock forward to what it must be at least: the later of
// the build of the image and the last run. Backwards it never goes here: a clock
// chip that is ahead is the network time's business.
func (b *box) setClock() error {
	floor := b.report.built
	if info, err := os.Stat(clockPath); err == nil && info.ModTime().After(floor) {
		floor = info.ModTime()
	}
	if !clockIsBehind(time.Now(), floor) {
		return nil
	}
	tv := unix.NsecToTimeval(floor.UnixNano())
	if err := unix.Settimeofday(&tv); err != nil {
		return fmt.Errorf("set the clock to %v: %w", floor, err)
	}
	b.log.Info("the clock was behind", "now", floor)
	return nil
}

func clockIsBehind(now, floor time.Time) bool { return now.Before(floor) }

// saveClock remembers the time for a box without a clock chip, and that there was
// a run. It is on the medium when this returns: ext4 writes by itself only every
// few seconds, and a box whose power was cut before called the next start its first.
func (b *box) saveClock() error {
	if !b.hasData {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(clockPath), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(clockPath, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	now := time.Now()
	if err := os.Chtimes(clockPath, now, now); err != nil {
		return err
	}
	// The whole file system: names too, of this file and of a note that was removed.
	return unix.Syncfs(int(f.Fd()))
}

// keepClock saves the time every hour: one inode, sparingly, it is flash.
func (b *box) keepClock() {
	for range time.Tick(time.Hour) {
		if err := b.saveClock(); err != nil {
			b.log.Error("save the time", "error", err)
		}
	}
}
