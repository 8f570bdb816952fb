package table

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"spoolgate/tools/bench/measure"
)

func filled() *Table {
	t := New([]string{"ours", "theirs"})
	rate, cost := measure.Row{Name: "connections", Unit: "1/s", More: true}, measure.Row{Name: "CPU", Unit: "us"}
	// The machine was half as fast in the second round, for both.
	for _, round := range []struct{ ours, theirs float64 }{{3100, 2000}, {3000, 2000}, {1500, 1000}} {
		t.Add("ours", []measure.Value{{Row: rate, Value: round.ours}, {Row: cost, Value: 100}})
		t.Add("theirs", []measure.Value{{Row: rate, Value: round.theirs}, {Row: cost, Value: 101}})
	}
	// Of these there is no ratio.
	t.Add("ours", []measure.Value{{Row: measure.Row{Name: "ours alone"}, Value: 1}, {Row: measure.Row{Name: "theirs is nothing"}, Value: 1}})
	t.Add("theirs", []measure.Value{{Row: measure.Row{Name: "theirs is nothing"}, Value: 0}})
	return t
}

func TestRatiosAreOfRoundsThatAreCloseInTime(t *testing.T) {
	tab := filled()
	if m, ok := tab.Median("connections", "ours"); !ok || m != 3000 {
		t.Errorf("median %v, %v", m, ok)
	}
	if r := tab.Ratios("connections", "ours", "theirs"); !slices.Equal(r, []float64{1.55, 1.5, 1.5}) {
		t.Errorf("ratios %v", r)
	}
	if r := tab.Ratios("connections", "ours", "nobody"); len(r) > 0 {
		t.Errorf("ratios %v to what was not measured", r)
	}
	var out strings.Builder
	if err := tab.Write(&out, []string{"ours", "absent"}, []string{"theirs", "absent"}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "absent") {
		t.Errorf("the table has who was not measured:\n%s", out.String())
	}
	if n := strings.Count(out.String(), " -\n"); n != 3 {
		t.Errorf("%d dashes at the ends of lines, want one for a median and two for ratios:\n%s", n, out.String())
	}
	for _, want := range []string{"3000 ±  50 %", "1.50 1.50..1.55 better", "0.99 0.99..0.99 even"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

// A machine that is uneven must not make a winner of anybody.
func TestWhoIsBetterIsWhatTheRoundsAgreeOn(t *testing.T) {
	more, less := measure.Row{More: true}, measure.Row{}
	for _, c := range []struct {
		row    measure.Row
		ratios []float64
		want   string
	}{
		{more, []float64{1.2}, "better"},
		{more, []float64{0.8}, "worse"},
		{less, []float64{1.2}, "worse"},
		{less, []float64{0.8, 0.9, 1.1, 0.7}, "better"},
		{less, []float64{0.8, 0.9, 1.1}, "unclear"},
		{more, []float64{0.5, 0.9, 1.1, 1.6, 1.2}, "unclear"},
		{more, []float64{0.5, 1.02, 2}, "even"},
		{more, []float64{1, 1.1, 1.2}, "better"},
		{less, []float64{1, 0.9, 0.8}, "better"},
	} {
		if got := verdict(c.row, c.ratios); got != c.want {
			t.Errorf("%v, more is better %v: %s, want %s", c.ratios, c.row.More, got, c.want)
		}
	}
}

// What some or all rounds did not see is told so, and does not flatten the chart.
func TestWhatNeverHappenedIsToldSo(t *testing.T) {
	tab := New([]string{"ours", "theirs"})
	row := measure.Row{Name: "served again", Unit: "ms"}
	for _, round := range [][2]float64{{10, measure.Never()}, {12, measure.Never()}, {measure.Never(), measure.Never()}} {
		tab.Add("ours", []measure.Value{{Row: row, Value: round[0]}})
		tab.Add("theirs", []measure.Value{{Row: row, Value: round[1]}})
	}
	var text, svg strings.Builder
	if err := errors.Join(tab.Write(&text, nil, nil), tab.Chart(&svg, "", []string{row.Name}, func(string) bool { return true })); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"12.0, or never", "            never\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, text.String())
		}
	}
	if strings.Count(svg.String(), `width="460"`) != 2 || !strings.Contains(svg.String(), ">never<") {
		t.Errorf("the chart:\n%s", svg.String())
	}
}

func TestChartIsWellFormedAndHasABarAContestant(t *testing.T) {
	var out strings.Builder
	if err := filled().Chart(&out, "a < b", []string{"connections"}, func(c string) bool { return c == "ours" }); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(out.String())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, out.String())
		}
	}
	if strings.Count(out.String(), `height="14"`) != 2 || !strings.Contains(out.String(), "more is better") {
		t.Errorf("the chart:\n%s", out.String())
	}
}
