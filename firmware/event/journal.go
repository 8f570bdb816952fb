package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"spoolgate/firmware/api"
)

// Journal keeps reports in a folder, over restarts and power cuts.
//
// A file of it has a line a report: the checksum of what follows, and the report as
// JSON. It is named by the number of its first report, is only ever appended to, and
// gives way to the next one after linesPerFile lines; the oldest are removed. So a
// power cut can tear nothing but the last lines, which the checksum tells.
type Journal struct {
	dir   string
	most  int
	files []uint64 // first numbers, oldest first
	file  *os.File // the last of them; nil when the next line begins another
	lines int      // in it
}

const linesPerFile = 512

// closing is the last line of a journal that was closed in order.
type closing struct {
	Next uint64 `json:"next"`
}

// skipped is how many numbers are left out after an end without order: those that
// were given to somebody but not to the medium. None is ever given twice.
const skipped = 2 * mostPending

// OpenJournal reads the journal of a folder: what is kept, at most about most
// reports, and the number of the next one. The folder is made if need be. What can't
// be read is left out. The journal is nil only when the folder can't be used at all.
func OpenJournal(dir string, most int) (*Journal, []api.Report, uint64, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, nil, 0, fmt.Errorf("journal of events: %w", err)
	}
	j := &Journal{dir: dir, most: most}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("journal of events: %w", err)
	}
	for _, e := range entries {
		if first, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), ".log"), 10, 64); err == nil && e.Name() == name(first) {
			j.files = append(j.files, first)
		}
	}
	slices.Sort(j.files)
	if len(j.files) == 0 {
		// A file that is there, even without a line, says that numbers were given.
		if err := j.begin(1); err != nil {
			return nil, nil, 0, fmt.Errorf("journal of events: %w", err)
		}
		return j, nil, 1, nil
	}
	var kept []api.Report
	next := uint64(1)
	var errs []error
	for i, first := range j.files {
		read, err := j.readFile(first, i == len(j.files)-1)
		errs = append(errs, err)
		// A file that can't be read has had its numbers all the same.
		next = max(next, first+1)
		for _, r := range read.reports {
			if r.Event.Seq < next-1 {
				continue
			}
			kept, next = append(kept, r), r.Event.Seq+1
		}
		if i < len(j.files)-1 {
			continue
		}
		if next += skipped; read.closed >= next-skipped {
			next = read.closed
		}
		if err != nil {
			next += linesPerFile
		}
	}
	return j, kept, next, errors.Join(errs...)
}

func name(first uint64) string { return fmt.Sprintf("%020d.log", first) }

type content struct {
	reports []api.Report
	closed  uint64 // from the closing line; 0 without it
}

// readFile reads one file. The last one is opened to go on with, without what a
// power cut tore at its end.
func (j *Journal) readFile(first uint64, last bool) (content, error) {
	path := filepath.Join(j.dir, name(first))
	text, err := os.ReadFile(path)
	if err != nil {
		return content{}, fmt.Errorf("journal of events: %w", err)
	}
	c, whole := parse(text)
	if !last {
		return c, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return c, fmt.Errorf("journal of events: %w", err)
	}
	if err := f.Truncate(int64(whole)); err != nil {
		return c, errors.Join(fmt.Errorf("journal of events: %w", err), f.Close())
	}
	j.file, j.lines = f, bytes.Count(text[:whole], []byte("\n"))
	return c, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parse reads lines; whole is the length of the text up to its last good line.
func parse(text []byte) (c content, whole int) {
	at := 0
	for line := range bytes.Lines(text) {
		at += len(line)
		sum, body, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		want, err := strconv.ParseUint(string(sum), 16, 32)
		if !ok || err != nil || len(sum) != 8 || crc32.Checksum(body, castagnoli) != uint32(want) || line[len(line)-1] != '\n' {
			continue
		}
		var v struct {
			api.Report
			closing
		}
		if json.Unmarshal(body, &v) != nil {
			continue
		}
		whole = at
		if v.Next > 0 {
			c.closed = v.Next
			continue
		}
		c.reports = append(c.reports, v.Report)
	}
	return c, whole
}

func line(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(body, castagnoli), body), nil
}

// Append writes reports; they are on the medium when it returns.
func (j *Journal) Append(reports []api.Report) error {
	for len(reports) > 0 {
		if j.file == nil || j.lines >= linesPerFile {
			if err := j.begin(reports[0].Event.Seq); err != nil {
				return fmt.Errorf("journal of events: %w", err)
			}
		}
		batch := reports[:min(len(reports), linesPerFile-j.lines)]
		if err := j.put(batch); err != nil {
			return fmt.Errorf("journal of events: %w", err)
		}
		reports = reports[len(batch):]
	}
	return nil
}

func (j *Journal) put(batch []api.Report) error {
	var text []byte
	for _, r := range batch {
		l, err := line(r)
		if err != nil {
			return err
		}
		text = append(text, l...)
	}
	before, err := j.file.Seek(0, 2)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(text); err != nil {
		// As on a full medium: what is torn would hide what follows.
		return errors.Join(err, j.file.Truncate(before))
	}
	j.lines += len(batch)
	return j.file.Sync()
}

// begin begins a file, and removes the oldest that are too many.
func (j *Journal) begin(first uint64) error {
	if j.file != nil {
		if err := j.file.Close(); err != nil {
			return err
		}
		j.file = nil
	}
	for len(j.files) > j.most/linesPerFile {
		if err := os.Remove(filepath.Join(j.dir, name(j.files[0]))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		j.files = j.files[1:]
	}
	f, err := os.OpenFile(filepath.Join(j.dir, name(first)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	j.file, j.lines = f, 0
	j.files = append(j.files, first)
	d, err := os.Open(j.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
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
	_, err = j.file.Write(l)
	return errors.Join(err, j.file.Sync(), j.file.Close())
}
