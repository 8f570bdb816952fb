package table

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"spoolgate/tools/bench/measure"
)

// What grows for good is told from what goes up and down.
func TestGrowthIsToldFromNoise(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples []float64
		want    string
	}{
		{"the same for ever", []float64{7, 7, 7, 7, 7, 7, 7, 7}, "flat"},
		{"noise", []float64{20, 25, 21, 24, 20, 26, 22, 23}, "flat"},
		{"less than the noise of any measurement", []float64{100, 100, 100, 100, 101, 101, 102, 102}, "flat"},
		{"a leak", []float64{20, 21, 22, 23, 24, 25, 26, 27}, "grows by 29 %"},
		{"from nothing", []float64{0, 0, 1, 2, 3, 4, 5, 6}, "grows by 100 %"},
		{"a table that empties", []float64{30, 30, 28, 26, 24, 22, 20, 20}, "shrinks by 33 %"},
		{"one sample", []float64{5}, "flat"},
	} {
		if got := trend(c.samples); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSeriesShowsBeginningEndAndEachSample(t *testing.T) {
	s := NewSeries(time.Minute)
	for k := range 8 {
		s.Add([]measure.Value{{Row: measure.Row{Name: "memory", Unit: "MiB"}, Value: float64(20 + k)}, {Row: measure.Row{Name: "files"}, Value: 9}})
	}
	var text, svg strings.Builder
	if err := errors.Join(s.Write(&text), s.Chart(&svg, "a < b")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"memory (MiB)", "20.5 ±   2 %", "26.5 ±   2 %", "grows by 29 %", "8m0s", "27.0"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	for d := xml.NewDecoder(strings.NewReader(svg.String())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg.String())
		}
	}
	if strings.Count(svg.String(), "<polyline") != 2 || !strings.Contains(svg.String(), "memory (MiB): grows") {
		t.Errorf("the chart:\n%s", svg.String())
	}
}
