// Package table makes a table and a chart of what contestants reached.
package table

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"spoolgate/tools/bench/measure"
)

// Table gathers the values of all rounds.
type Table struct {
	contestants []string
	rows        []measure.Row
	values      map[cell][]float64 // a value a round
}

type cell struct{ row, contestant string }

// New makes an empty table with a column a contestant.
func New(contestants []string) *Table {
	return &Table{contestants: contestants, values: map[cell][]float64{}}
}

// Add adds a round of a contestant.
func (t *Table) Add(contestant string, values []measure.Value) {
	for _, v := range values {
		if !slices.Contains(t.rows, v.Row) {
			t.rows = append(t.rows, v.Row)
		}
		at := cell{v.Name, contestant}
		t.values[at] = append(t.values[at], v.Value)
	}
}

// Median of a row and a contestant; false when it was not measured.
func (t *Table) Median(row, contestant string) (float64, bool) {
	v := t.values[cell{row, contestant}]
	return median(v), len(v) > 0
}

// Ratios are those of one contestant to another, a round each. Rounds are close to
// each other in time, so that what slows the machine down slows both.
func (t *Table) Ratios(row, contestant, to string) (ratios []float64) {
	a, b := t.values[cell{row, contestant}], t.values[cell{row, to}]
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			ratios = append(ratios, a[i]/b[i])
		}
	}
	return ratios
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// spread is how far the rounds lie apart, in percent of the median, up and down.
func spread(v []float64) float64 {
	m := median(v)
	if m == 0 {
		return 0
	}
	return max(slices.Max(v)-m, m-slices.Min(v)) / m * 100
}

// summary is the median of rounds and how far they lie from it.
func summary(v []float64) string {
	switch m := median(v); {
	case len(v) == 0:
		return "-"
	case math.IsInf(m, 1):
		return figure(m)
	case math.IsInf(slices.Max(v), 1):
		return figure(m) + ", or " + figure(slices.Max(v))
	default:
		return fmt.Sprintf("%14s ±%4.0f %%", figure(m), spread(v))
	}
}

// Write writes the table as text: medians, the largest distance of a round from
// them, and the ratios to the contestants that are named, with those of the lowest
// and the highest round.
func (t *Table) Write(w io.Writer, of []string, to []string) error {
	wide := 0
	for _, r := range t.rows {
		wide = max(wide, len(r.Name)+len(r.Unit)+3)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s", wide, "median of the rounds, and the most that one lies off")
	for _, c := range t.contestants {
		fmt.Fprintf(&b, " %22s", c)
	}
	b.WriteByte('\n')
	for _, r := range t.rows {
		fmt.Fprintf(&b, "%-*s", wide, r.Name+" ("+r.Unit+")")
		for _, c := range t.contestants {
			v := t.values[cell{r.Name, c}]
			fmt.Fprintf(&b, " %22s", summary(v))
		}
		b.WriteByte('\n')
	}
	of, to = t.measured(of), t.measured(to)
	if len(to) == 0 {
		of = nil
	}
	for _, c := range of {
		fmt.Fprintf(&b, "\n%-*s", wide, c+", ratio of the rounds, lowest and highest, to")
		for _, other := range to {
			fmt.Fprintf(&b, " %28s", other)
		}
		b.WriteByte('\n')
		for _, r := range t.rows {
			fmt.Fprintf(&b, "%-*s", wide, r.Name)
			for _, other := range to {
				fmt.Fprintf(&b, " %28s", compared(r, t.Ratios(r.Name, c, other)))
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// measured are those of contestants that took part.
func (t *Table) measured(names []string) (took []string) {
	for _, name := range names {
		if slices.Contains(t.contestants, name) {
			took = append(took, name)
		}
	}
	return took
}

// compared is what rounds' ratios come to.
func compared(r measure.Row, ratios []float64) string {
	if len(ratios) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %.2f..%.2f %-7s", median(ratios), slices.Min(ratios), slices.Max(ratios), verdict(r, ratios))
}

// verdict says in a word whether ratios are good: even is a median that nobody would
// notice, unclear one that more than a quarter of the rounds contradict.
func verdict(r measure.Row, ratios []float64) string {
	const unnoticed = 0.03
	m := median(ratios)
	against := 0
	for _, ratio := range ratios {
		if (ratio-1)*(m-1) < 0 {
			against++
		}
	}
	switch {
	case m > 1-unnoticed && m < 1+unnoticed:
		return "even"
	case 4*against > len(ratios):
		return "unclear"
	case r.More == (m > 1):
		return "better"
	}
	return "worse"
}

// figure is a number in the digits that matter; what did not happen has none.
func figure(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "never"
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
