package report

import (
	"fmt"
	"slices"
	"time"

	"spoolgate/firmware/api"
)

// window is how many reports a reporter reads ahead of the one it sends; the rest
// stays in the journal.
const window = 200

// lastingTries is how often a message is sent that the other side understood and
// does not want, before the next one has its turn.
const lastingTries = 5

// Queue is what one reporter has to send, in what order and when. It reads no clock
// and touches nothing.
type Queue struct {
	wish    wish
	cursor  Cursor
	pending []item

	read   uint64    // number of the last report that was offered
	newest time.Time // latest time of those
	oldest bool      // the next report to be offered is the oldest that is kept

	trouble *api.Failure
	since   time.Time
	tries   int
	next    time.Time
}

// item is a report that waits, and what the journal was read up to with it.
type item struct {
	report api.Report
	seq    uint64
	newest time.Time
	missed uint64 // reports that it stands for, which are no longer kept
}

// newQueue goes on from a cursor.
func newQueue(w wish, c Cursor) *Queue {
	return &Queue{wish: w, cursor: c, read: c.Seq, newest: c.Newest}
}

// Begin is that the journal is offered from its beginning, as it is whenever it was
// lost sight of.
func (q *Queue) Begin() { q.oldest = true }

// justNow is how old an event may be to be news whatever the clock showed before: one
// that was ahead when a reporter was configured must not make it deaf when it is set.
const justNow = time.Minute

// Offer takes the next report of the journal.
func (q *Queue) Offer(r api.Report, now time.Time) {
	oldest := q.oldest
	q.oldest = false
	seq, at := r.Event.Seq, r.Event.Time
	if seq <= q.read {
		if !at.After(q.newest) {
			return
		}
		q.read = seq - 1 // numbers began anew
	}
	if q.cursor.Fresh {
		if !at.After(q.newest) && now.Sub(at).Abs() > justNow {
			q.read = seq
			return
		}
		q.cursor.Fresh = false
		q.read, q.newest = seq-1, at
	}
	// Between two kept reports a gap is numbers that were never given: the balancer
	// leaves some out after a power cut.
	if gap := seq - q.read - 1; gap > 0 && oldest {
		q.pending = append(q.pending, item{missed(gap, r), seq - 1, q.newest, gap})
	}
	q.read = seq
	if at.After(q.newest) {
		q.newest = at
	}
	if q.wish.wants(r, q.told) {
		q.pending = append(q.pending, item{r, q.read, q.newest, 0})
	} else if len(q.pending) == 0 {
		q.cursor.Seq, q.cursor.Newest = q.read, q.newest
	}
}

func missed(n uint64, before api.Report) api.Report {
	text := "the report before this one was no longer kept when its turn came: this receiver was out of reach for too long"
	if n > 1 {
		text = fmt.Sprintf("up to %d reports before this one were no longer kept when their turn came: this receiver was out of reach for too long", n)
	}
	return api.Report{Event: api.Event{Seq: before.Event.Seq - 1, Time: before.Event.Time, Kind: kindMissed, Severity: "warning", Text: text}}
}

// told reports whether the receiver knows of an incident, or will when it has what
// waits.
func (q *Queue) told(id uint64) bool {
	return slices.Contains(q.cursor.Told, id) ||
		slices.ContainsFunc(q.pending, func(i item) bool { return i.report.Incident != nil && i.report.Incident.ID == id })
}

// Full reports whether nothing more should be offered for now.
func (q *Queue) Full() bool { return len(q.pending) >= window }

// Eager reports whether more should be offered again.
func (q *Queue) Eager() bool { return len(q.pending) <= window/2 }

// Next returns the report whose turn it is, and when; nil if none waits.
func (q *Queue) Next() (*api.Report, time.Time) {
	if len(q.pending) == 0 {
		return nil, time.Time{}
	}
	return &q.pending[0].report, q.next
}

// Delivered is that the first report has arrived, where, and who there was left out; nil
// if nobody was.
func (q *Queue) Delivered(to string, leftOut *api.Failure, now time.Time) {
	q.trouble, q.since, q.tries, q.next = nil, time.Time{}, 0, time.Time{}
	q.cursor.SentAt, q.cursor.SentTo, q.cursor.LeftOut = now, to, leftOut
	q.pop()
}

// Failed is that it has not, and why.
func (q *Queue) Failed(f *api.Failure, now time.Time) {
	if q.trouble == nil {
		q.since = now
	}
	q.trouble = f
	q.tries++
	q.next = now.Add(delay(q.tries))
	if f.Lasting && q.tries >= lastingTries {
		q.cursor.Refused++
		q.tries, q.next = 0, now
		q.pop()
	}
}

func (q *Queue) pop() {
	first := q.pending[0]
	q.pending = slices.Delete(q.pending, 0, 1)
	q.cursor.Seq, q.cursor.Newest = first.seq, first.newest
	q.cursor.Missed += first.missed
	if len(q.pending) == 0 {
		q.cursor.Seq, q.cursor.Newest = q.read, q.newest
	}
	if i := first.report.Incident; i != nil {
		at, known := slices.BinarySearch(q.cursor.Told, i.ID)
		switch {
		case first.report.Phase == api.Clear && known:
			q.cursor.Told = slices.Delete(q.cursor.Told, at, at+1)
		case first.report.Phase != api.Clear && !known:
			q.cursor.Told = slices.Insert(q.cursor.Told, at, i.ID)
		}
	}
}

// Cursor returns how far the queue has come, of which nothing changes later.
func (q *Queue) Cursor() Cursor {
	c := q.cursor
	c.Told = slices.Clone(c.Told)
	return c
}

// SentTo is when this receiver last got something, and who of it was left out; zero:
// never, or another one did since.
func (q *Queue) SentTo(target string) (at time.Time, leftOut *api.Failure) {
	if q.cursor.SentTo != target {
		return time.Time{}, nil
	}
	return q.cursor.SentAt, q.cursor.LeftOut
}

// State is the queue for people.
func (q *Queue) State() api.Reporter {
	missed := q.cursor.Missed
	for _, i := range q.pending {
		missed += i.missed
	}
	return api.Reporter{Least: string(q.wish.least), Delivered: q.cursor.Seq, Waiting: len(q.pending),
		Missed: missed, Refused: q.cursor.Refused, Trouble: q.trouble, Since: q.since, Tries: q.tries, NextTry: q.next}
}
