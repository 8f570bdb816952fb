package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// memo is a small file of what shall outlast a restart of the box. A power cut
// leaves what was written before or the new one. It is for what changes a few times
// a month: it is written whenever something has.
type memo struct {
	path    string
	unsaved bool
	saving  chan error // the answer of a write; nil when none is under way
}

// read takes over what is written, if anything is.
func (m *memo) read(into any) error {
	text, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", m.path, err)
	}
	return nil
}

func (m *memo) write(text []byte) error {
	if err := renameio.WriteFile(m.path, append(text, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(m.path))); err != nil {
		return fmt.Errorf("write %s: %w", m.path, err)
	}
	return nil
}

// save writes what is not written yet, beside the loop: flash can take a second.
// It returns how the write before went.
func (m *memo) save(content any) (err error) {
	select {
	case err = <-m.saving:
		m.saving = nil
	default:
	}
	if !m.unsaved || m.saving != nil {
		return err
	}
	m.unsaved = false // a disk that fails is tried again with the next change
	text, wrong := json.MarshalIndent(content, "", "  ")
	if wrong != nil {
		return errors.Join(err, wrong)
	}
	m.saving = make(chan error, 1)
	go func(done chan<- error) { done <- m.write(text) }(m.saving)
	return err
}

// finish waits until all is written.
func (m *memo) finish(content any) error {
	err := m.save(content)
	for m.saving != nil {
		err = errors.Join(err, <-m.saving)
		m.saving = nil
		err = errors.Join(err, m.save(content))
	}
	return err
}
