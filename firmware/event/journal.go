package event

import (
	"bytes"
	"errors"
	"fmt"
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
// JSON. Its first line has the incidents that were open then, so that one which lasts
// for longer than its reports are kept is not lost. A file is named by the number of
// its first report, is only ever appended to, and gives way to the next one after
// linesPerFile lines or bytesPerFile bytes; the oldest are removed. So a power cut can
// tear nothing but the last lines, which the checksum tells.
type Journal struct {
	dir       string
	most      int
	files     []uint64 // first numbers, oldest first
	file      *os.File // the last of them; nil when the next line begins another
	lines     int      // in it
	bytes     int
	ledger    ledger
	allowance allowance
}

// The bounds of a file. With 4,096 reports the journal has at most nine, some 2.5 MB.
const (
	linesPerFile = 512
	bytesPerFile = 256 << 10
)

// closing is the last line of a journal that was closed in order.
type closing struct {
	Next uint64 `json:"next"`
}

// What is left out after an end without order, as that much may have been given to
// somebody and not to the medium: numbers of reports and of incidents. None is ever
// given twice, also when that happens again before a report is written.
const (
	skippedReports   = 100_000
	skippedIncidents = 100
)

// History is what a journal remembers.
type History struct {
	Reports []api.Report // oldest first
	// Open are the incidents that last as far as the journal knows, also those
	// whose reports have given way.
	Open         []api.Incident
	LastIncident uint64 // the highest number that may have been given
	next         uint64 // number of the next report
}

// OpenJournal reads the journal of a folder, of which it keeps at most about most
// reports. The folder is made if need be. What can't be read is left out. The journal
// is nil only when the folder can't be used at all.
func OpenJournal(dir string, most int) (*Journal, History, error) {
	none := History{next: 1}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, none, fmt.Errorf("journal of events: %w", err)
	}
	j := &Journal{dir: dir, most: most}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, none, fmt.Errorf("journal of events: %w", err)
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
			return nil, none, fmt.Errorf("journal of events: %w", err)
		}
		return j, none, nil
	}
	h, err := j.read()
	return j, h, err
}

// read reads all files, and opens the last one to go on with.
func (j *Journal) read() (History, error) {
	var h History
	var errs []error
	last, closed := uint64(0), uint64(0)
	for i, first := range j.files {
		c, err := j.readFile(first, i == len(j.files)-1)
		errs = append(errs, err)
		if c.ledger != nil {
			j.ledger = *c.ledger
		}
		for _, r := range c.reports {
			if r.Event.Seq <= last {
				continue // written again after an error that came too late
			}
			last = r.Event.Seq
			h.Reports = append(h.Reports, r)
			j.ledger.note(r)
		}
		// A file that can't be read has had its first number all the same.
		last, closed = max(last, first), c.closed
		if c.resumed.Resumed > 0 {
			last = max(last, c.resumed.Resumed-1)
		}
		j.ledger.Last = max(j.ledger.Last, c.resumed.Incidents)
	}
	h.next = last + 1
	if closed >= h.next {
		h.next = closed
	} else {
		h.next += skippedReports
		j.ledger.Last += skippedIncidents
	}
	errs = append(errs, j.resume(h.next))
	h.Open, h.LastIncident = slices.Clone(j.ledger.Open), j.ledger.Last
	return h, errors.Join(errs...)
}

func name(first uint64) string { return fmt.Sprintf("%020d.log", first) }

// readFile reads one file. The last one is opened to go on with, without what a
// power cut tore at its end, and without its closing line, which is not true any more
// from now on.
func (j *Journal) readFile(first uint64, last bool) (content, error) {
	path := filepath.Join(j.dir, name(first))
	text, err := os.ReadFile(path)
	if err != nil {
		return content{}, fmt.Errorf("journal of events: %w", err)
	}
	c := parse(text)
	if !last {
		return c, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return c, fmt.Errorf("journal of events: %w", err)
	}
	if err := errors.Join(f.Truncate(int64(c.whole)), f.Sync()); err != nil {
		return c, errors.Join(fmt.Errorf("journal of events: %w", err), f.Close())
	}
	j.file, j.lines, j.bytes = f, bytes.Count(text[:c.whole], []byte("\n")), c.whole
	return c, nil
}
