package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"spoolgate/firmware/secret"
)

// File is the configuration of a box on its data partition, and the copy that a
// daemon keeps of the last one that it used.
//
// The file is written by people, not always by way of a check. A box that starts
// with a wrong one goes on with the last good one instead of serving nobody.
type File struct {
	Path string
	// Kept is the path of the copy; empty keeps none.
	Kept   string
	Limits Limits
	// Key seals the passwords of the copy. The zero Key, of a daemon that needs
	// none of them, leaves them out of it.
	Key secret.Key
}

// ErrMissing says that there was a configuration, and the file is gone.
var ErrMissing = errors.New("the configuration file is missing; put it back, or reset the box to its factory state")

// Load reads the file. A box that is new has none yet: it is unconfigured then,
// serves nobody, and asks DHCP for its addresses, so that it can be reached.
func (f File) Load() (Config, error) {
	c, err := load(f.Path, f.Limits)
	if !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	if _, kept := os.Stat(f.Kept); f.Kept != "" && kept == nil {
		return Config{}, fmt.Errorf("%s: %w", f.Path, ErrMissing)
	}
	return unconfigured(), nil
}

// Start is Load for a daemon that starts, and has to start with something: what is
// wrong with the file comes beside the copy, or a new box's configuration if
// there is none.
func (f File) Start() (Config, error) {
	c, wrong := f.Load()
	if wrong == nil {
		return c, nil
	}
	if c, kept := f.last(); kept {
		return c, wrong
	}
	return unconfigured(), wrong
}

// Last is the copy; the zero configuration where there is none.
func (f File) Last() Config {
	c, _ := f.last()
	return c
}

func (f File) last() (_ Config, kept bool) {
	if f.Kept == "" {
		return Config{}, false
	}
	c, err := load(f.Kept, f.Limits)
	if err != nil {
		return Config{}, false
	}
	return c, true
}

// Keep copies the file, if it is good. A copy that is the same already costs the
// medium no write.
func (f File) Keep() error {
	if f.Kept == "" {
		return nil
	}
	text, err := readFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := Parse(text, f.Limits); err != nil {
		return err
	}
	if kept, err := os.ReadFile(f.Kept); err == nil && f.same(kept, text) {
		return nil
	}
	if text, err = Seal(text, f.Limits, f.Key); err != nil {
		return err
	}
	if err := renameio.WriteFile(f.Kept, text, 0o600, renameio.WithTempDir(filepath.Dir(f.Kept))); err != nil {
		return fmt.Errorf("keep the configuration: %w", err)
	}
	return nil
}

// same reports whether the copy says what the file says. A password is sealed
// differently each time.
func (f File) same(kept, text []byte) bool {
	kept, err := f.opened(kept)
	if err != nil {
		return false
	}
	text, err = f.opened(text)
	return err == nil && bytes.Equal(kept, text)
}

func (f File) opened(text []byte) ([]byte, error) {
	return rewrite(text, f.Limits, func(t secret.Text) secret.Text {
		password, err := f.Key.Open(t)
		if err != nil || f.Key.IsZero() {
			return secret.Key{}.Seal("")
		}
		return secret.Text(password)
	})
}

func unconfigured() Config {
	return Config{Hostname: defaultHostname, Naming: Naming{Interval: defaultNamingInterval, TTL: defaultNamingTTL, Listen: true}}
}

func load(path string, limits Limits) (Config, error) {
	text, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	return Parse(text, limits)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if info.Size() > MaxSize {
		return nil, fmt.Errorf("configuration %s: %d bytes is more than the %d that a configuration can have", path, info.Size(), MaxSize)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return text, nil
}
