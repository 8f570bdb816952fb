package table

import (
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

// line is one row of a series as a line, in pixels.
type line struct {
	Title, Points, Most string
	Y, Bottom           int
}

type lines struct {
	Width, Height, Left, Right int
	Captions                   []caption
	Lines                      []line
}

type caption struct {
	Text string
	Y    int
}

const lineHeight = 60

// Chart draws a line a row, each from 0 up, an SVG of its own.
func (s *Series) Chart(w io.Writer, captions ...string) error {
	c := lines{Width: chartWidth, Left: 70, Right: 70 + 640}
	y := 18
	for _, text := range captions {
		c.Captions = append(c.Captions, caption{text, y})
		y += 18
	}
	for i, r := range s.rows {
		most := slices.Max(s.samples[i])
		l := line{Title: fmt.Sprintf("%s: %s", s.title(r), trend(s.samples[i])), Most: figure(most), Y: y, Bottom: y + 14 + lineHeight}
		var points []string
		for k, v := range s.samples[i] {
			x, height := float64(c.Left), 0.0
			if n := s.count(); n > 1 {
				x += float64((c.Right-c.Left)*k) / float64(n-1)
			}
			if most > 0 {
				height = v / most * lineHeight
			}
			points = append(points, fmt.Sprintf("%.1f,%.1f", x, float64(l.Bottom)-height))
		}
		l.Points = strings.Join(points, " ")
		c.Lines = append(c.Lines, l)
		y = l.Bottom + panelGap
	}
	c.Height = y
	return course.Execute(w, c)
}

var course = template.Must(template.New("lines").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
{{- range .Captions}}
<text x="10" y="{{.Y}}" fill="#555">{{.Text}}</text>
{{- end}}
{{- $left := .Left}}{{$right := .Right}}
{{- range .Lines}}
<text x="10" y="{{.Y}}" dy="4" font-weight="bold">{{.Title}}</text>
<line x1="{{$left}}" y1="{{.Bottom}}" x2="{{$right}}" y2="{{.Bottom}}" stroke="#9db4c0"/>
<text x="{{$left}}" y="{{.Bottom}}" dx="-8" text-anchor="end">0</text>
<text x="{{$left}}" y="{{.Y}}" dx="-8" dy="24" text-anchor="end">{{.Most}}</text>
<polyline points="{{.Points}}" fill="none" stroke="#0b6e4f" stroke-width="1.5"/>
{{- end}}
</svg>
`))
