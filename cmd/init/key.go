package main

import (
	"fmt"
	"os"
	"path/filepath"

	"spoolgate/firmware/secret"
)

// keyGroup are those that open passwords of the configuration.
const keyGroup = "secrets"

// makeKey makes the box's own key at its first start, and at the first after a
// factory reset: what was sealed before then is lost for good.
func (b *box) makeKey() error {
	group, err := groupID(keyGroup)
	if err != nil {
		return err
	}
	return placeKey(secret.DefaultPath, int(group))
}

// placeKey leaves a key at path that its group reads and nobody else.
func placeKey(path string, group int) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("key of the box: %w", err)
	}
	if _, err := secret.MakeKey(path); err != nil {
		return err
	}
	for name, mode := range map[string]os.FileMode{folder: 0o750, path: 0o640} {
		if err := os.Chown(name, 0, group); err != nil {
			return fmt.Errorf("key of the box: %w", err)
		}
		if err := os.Chmod(name, mode); err != nil {
			return fmt.Errorf("key of the box: %w", err)
		}
	}
	return nil
}
