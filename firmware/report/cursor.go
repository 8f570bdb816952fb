package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"spoolgate/firmware/api"
)

// Cursor is how far a reporter has come. It is all that is kept of it: the journal
// of the balancer is the queue.
type Cursor struct {
	Seq uint64 `json:"seq"` // of the last report that is done with
	// Newest is the latest time of a report up to there. A report with a number that
	// is done with and a later time says that numbers began anew: the journal was lost.
	Newest time.Time `json:"newest"`
	// Fresh is a reporter that was told nothing yet: what is older than Newest, the
	// moment it was configured, is none of its business.
	Fresh   bool     `json:"fresh,omitempty"`
	Missed  uint64   `json:"missed"`
	Refused uint64   `json:"refused"`
	Told    []uint64 `json:"told,omitempty"` // incidents whose end is told too
	// SentAt is when a receiver last got something, zero: never; SentTo is which one, in
	// the words of its sender: what another one got says nothing of the one of now.
	SentAt time.Time `json:"sent_at,omitzero"`
	SentTo string    `json:"sent_to,omitempty"`
	// LeftOut is who of SentTo did not get that, and why.
	LeftOut *api.Failure `json:"left_out,omitempty"`
}

// Store keeps cursors in a folder, a file each.
type Store struct{ folder string }

// NewStore returns the store in a folder that is there.
func NewStore(folder string) Store { return Store{folder} }

func (s Store) path(name string) string { return filepath.Join(s.folder, name+".json") }

// Load returns the cursor of a reporter. One that has none, or whose file can't be
// read, begins now; the error says which.
func (s Store) Load(name string, now time.Time) (Cursor, error) {
	fresh := Cursor{Newest: now, Fresh: true}
	text, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	var c Cursor
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return fresh, fmt.Errorf("how far %s had come can't be read, and what was not sent yet is not sent: %w", name, err)
	}
	return c, nil
}

// Save replaces the cursor of a reporter, whole at any moment.
func (s Store) Save(name string, c Cursor) error {
	text, err := json.Marshal(c)
	if err == nil {
		err = renameio.WriteFile(s.path(name), text, 0o640, renameio.WithTempDir(s.folder))
	}
	if err != nil {
		return fmt.Errorf("keep how far %s has come: %w", name, err)
	}
	return nil
}

// Retain forgets the reporters that are not named: one that is configured again
// later begins then, and does not send what is long over.
func (s Store) Retain(names []string) error {
	files, err := filepath.Glob(s.path("*"))
	if err != nil {
		return fmt.Errorf("forget reporters: %w", err)
	}
	for _, f := range files {
		name := filepath.Base(f[:len(f)-len(".json")])
		if name == bootsName || slices.Contains(names, name) {
			continue
		}
		if err := os.Remove(f); err != nil {
			return fmt.Errorf("forget reporter %s: %w", name, err)
		}
	}
	return nil
}

// bootsName is the file of the count of starts.
const bootsName = "engine-boots"

// Boots counts this start: the snmpEngineBoots of RFC 3414, 2.2, which must grow
// with each start, or a station takes what comes for a replay.
func (s Store) Boots() (uint32, error) {
	var n uint32
	text, err := os.ReadFile(s.path(bootsName))
	if err == nil {
		err = json.Unmarshal(text, &n)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return 1, fmt.Errorf("count of starts: %w", err)
	}
	n++
	if err := renameio.WriteFile(s.path(bootsName), fmt.Append(nil, n), 0o640, renameio.WithTempDir(s.folder)); err != nil {
		return n, fmt.Errorf("count of starts: %w", err)
	}
	return n, nil
}
