package table

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"spoolgate/tools/bench/measure"
)

// Series is what was measured again and again, to see whether anything grows.
type Series struct {
	every   time.Duration
	rows    []measure.Row
	samples [][]float64 // a list a row
}

// NewSeries makes an empty series of samples that are so far apart.
func NewSeries(every time.Duration) *Series { return &Series{every: every} }

// Add adds a sample; each has the same rows.
func (s *Series) Add(values []measure.Value) {
	if s.rows == nil {
		s.samples = make([][]float64, len(values))
		for _, v := range values {
			s.rows = append(s.rows, v.Row)
		}
	}
	for i, v := range values {
		s.samples[i] = append(s.samples[i], v.Value)
	}
}

// quarters are the first and the last quarter of a row's samples.
func quarters(samples []float64) (first, last []float64) {
	n := (len(samples) + 3) / 4
	return samples[:n], samples[len(samples)-n:]
}

// trend says whether what was measured last differs from what was measured first: by
// more than a few percent, and by more than the samples of either differ among
// themselves.
func trend(samples []float64) string {
	const noise = 3 // percent
	first, last := quarters(samples)
	was, is := median(first), median(last)
	if was == is {
		return "flat"
	}
	change := 100.0
	if was != 0 {
		change = (is - was) / was * 100
	}
	switch {
	case slices.Min(last) > slices.Max(first) && change > noise:
		return fmt.Sprintf("grows by %.0f %%", change)
	case slices.Max(last) < slices.Min(first) && change < -noise:
		return fmt.Sprintf("shrinks by %.0f %%", -change)
	}
	return "flat"
}

// Write writes the series as text: how it began and ended, and all samples.
func (s *Series) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-45s %22s %22s  %s\n", "median, and the most that a sample lies off", "first quarter", "last quarter", "verdict")
	for i, r := range s.rows {
		first, last := quarters(s.samples[i])
		fmt.Fprintf(&b, "%-45s %14s ±%4.0f %% %14s ±%4.0f %%  %s\n", s.title(r), figure(median(first)), spread(first), figure(median(last)), spread(last), trend(s.samples[i]))
	}
	b.WriteString("\nA last quarter that overlaps with the first, or of which the median differs by 3 % at most, is flat.\n\n")
	fmt.Fprintf(&b, "%10s", "after")
	for i := range s.rows {
		fmt.Fprintf(&b, " %9s", fmt.Sprintf("(%d)", i+1))
	}
	b.WriteByte('\n')
	for k := range s.count() {
		fmt.Fprintf(&b, "%10s", s.every*time.Duration(k+1))
		for i := range s.rows {
			fmt.Fprintf(&b, " %9s", figure(s.samples[i][k]))
		}
		b.WriteByte('\n')
	}
	for i, r := range s.rows {
		fmt.Fprintf(&b, "(%d) %s\n", i+1, s.title(r))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Series) title(r measure.Row) string {
	if r.Unit == "" {
		return r.Name
	}
	return r.Name + " (" + r.Unit + ")"
}

// count is the number of samples.
func (s *Series) count() int {
	if len(s.samples) == 0 {
		return 0
	}
	return len(s.samples[0])
}
