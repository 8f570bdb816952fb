// Package programs builds the programs that tests run.
package programs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// Build builds packages into a new folder, which is the caller's to remove.
func Build(packages ...string) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "spoolgate-programs-"); err != nil {
		return "", err
	}
	build := exec.Command("go", append([]string{"build", "-o", dir}, packages...)...)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", errors.Join(fmt.Errorf("build %v: %w", packages, err), os.RemoveAll(dir))
	}
	return dir, nil
}
