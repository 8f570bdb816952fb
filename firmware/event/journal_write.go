package event

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"spoolgate/firmware/api"
)

// Append writes reports; they are on the medium when it returns. Where the medium has
// had its share of bytes for this hour, those that do not begin, sum up or end an
// incident are left out: it returns how many.
func (j *Journal) Append(reports []api.Report, now time.Time) (leftOut int, err error) {
	var text []byte
	var batch []api.Report
	put := func() error {
		err := j.put(batch, text)
		text, batch = nil, nil
		return err
	}
	for _, r := range reports {
		l, err := line(r)
		if err != nil {
			return leftOut, fmt.Errorf("journal of events: %w", err)
		}
		if !j.allowance.take(len(l), now) && !essential(r) {
			leftOut++
			continue
		}
		full := j.file == nil || j.lines+len(batch) >= linesPerFile || j.bytes+len(text)+len(l) > bytesPerFile
		if full && len(batch) > 0 {
			if err := put(); err != nil {
				return leftOut, fmt.Errorf("journal of events: %w", err)
			}
		}
		if full {
			if err := j.begin(r.Event.Seq); err != nil {
				return leftOut, fmt.Errorf("journal of events: %w", err)
			}
		}
		text, batch = append(text, l...), append(batch, r)
	}
	if err := put(); err != nil {
		return leftOut, fmt.Errorf("journal of events: %w", err)
	}
	return leftOut, nil
}

func essential(r api.Report) bool {
	return r.Phase == api.Begin || r.Phase == api.Digest || r.Phase == api.Clear
}

func (j *Journal) put(batch []api.Report, text []byte) error {
	if len(batch) == 0 {
		return nil
	}
	if err := j.write(text); err != nil {
		return err
	}
	j.lines += len(batch)
	for _, r := range batch {
		j.ledger.note(r)
	}
	return j.file.Sync()
}

func (j *Journal) write(text []byte) error {
	before, err := j.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(text); err != nil {
		// As on a full medium: what is torn would hide what follows.
		return errors.Join(err, j.file.Truncate(before))
	}
	j.bytes += len(text)
	return nil
}

// begin begins a file, and removes the oldest that are too many.
func (j *Journal) begin(first uint64) error {
	if j.file != nil {
		err := j.file.Close()
		if j.file = nil; err != nil {
			return err
		}
	}
	for len(j.files) > j.most/linesPerFile {
		if err := os.Remove(filepath.Join(j.dir, name(j.files[0]))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		j.files = j.files[1:]
	}
	header, err := line(heading{&j.ledger})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(j.dir, name(first)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	if n := len(j.files); n == 0 || j.files[n-1] != first {
		j.files = append(j.files, first)
	}
	j.file, j.lines, j.bytes = f, 0, 0
	if err := j.write(header); err != nil {
		return err
	}
	j.bytes = 0 // however many are open, reports find room
	d, err := os.Open(j.dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), d.Sync(), d.Close())
}

// resume notes that the numbers of reports go on from next, and those of incidents after
// the ledger's last.
func (j *Journal) resume(next uint64) error {
	if j.file == nil {
		return nil
	}
	l, err := line(resumption{Resumed: next, Incidents: j.ledger.Last})
	if err != nil {
		return err
	}
	if err := errors.Join(j.write(l), j.file.Sync()); err != nil {
		return fmt.Errorf("journal of events: %w", err)
	}
	return nil
}

// Close notes the number of the next report, so that none is left out then.
func (j *Journal) Close(next uint64) error {
	if j.file == nil {
		return nil
	}
	l, err := line(closing{next})
	if err != nil {
		return err
	}
	return errors.Join(j.write(l), j.file.Sync(), j.file.Close())
}
