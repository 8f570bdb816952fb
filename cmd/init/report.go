package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"spoolgate/firmware/api"
)

// report is what the box tells of its own start and of its services.
type report struct {
	boot   api.Boot
	built  time.Time     // of the image
	kernel time.Duration // from the kernel's start to init's
	told   bool          // that everything is up
}

// write replaces api.ServicesFile: readers see the old or the new, never half.
func (r *report) write(list []api.Daemon, now time.Time) error {
	text, err := json.MarshalIndent(api.Services{Time: now, Boot: r.boot, Services: list}, "", "  ")
	if err != nil {
		return err
	}
	temp := api.ServicesFile + ".new"
	if err := os.WriteFile(temp, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("services file: %w", err)
	}
	return os.Rename(temp, api.ServicesFile)
}

// allUp reports, once, that every service said that it is ready.
func (r *report) allUp(list []api.Daemon) bool {
	if r.told {
		return false
	}
	for _, d := range list {
		if d.State != api.DaemonRunning {
			return false
		}
	}
	r.told = true
	return true
}
