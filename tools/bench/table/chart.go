package table

import (
	"fmt"
	"html/template"
	"io"
	"math"
)

// bar is one bar of the chart, lengths in pixels.
type bar struct {
	Name, Figure   string
	Y, Length, End int
	Ours           bool
}

type panel struct {
	Title string
	Y     int
	Bars  []bar
}

type chart struct {
	Width, Height, Left int
	Caption             string
	Panels              []panel
}

const (
	chartWidth = 760
	barsLeft   = 170
	barsWidth  = 460
	barHeight  = 18
	panelGap   = 34
)

// Chart draws rows as bars, an SVG of its own: a panel a row, a bar a contestant.
func (t *Table) Chart(w io.Writer, caption string, rows []string, ours func(contestant string) bool) error {
	c := chart{Width: chartWidth, Left: barsLeft, Caption: caption}
	y := panelGap
	for _, name := range rows {
		p := panel{Y: y}
		most := 0.0
		for _, contestant := range t.contestants {
			if v, _ := t.Median(name, contestant); !math.IsInf(v, 1) {
				most = max(most, v)
			}
		}
		for _, r := range t.rows {
			if r.Name == name {
				p.Title = fmt.Sprintf("%s (%s; %s is better)", r.Name, r.Unit, map[bool]string{true: "more", false: "less"}[r.More])
			}
		}
		y += 10
		for _, contestant := range t.contestants {
			v, ok := t.Median(name, contestant)
			if !ok || most == 0 {
				continue
			}
			length := int(min(v/most, 1) * barsWidth)
			p.Bars = append(p.Bars, bar{Name: contestant, Figure: figure(v), Y: y, Length: length, End: barsLeft + length, Ours: ours(contestant)})
			y += barHeight
		}
		y += panelGap
		c.Panels = append(c.Panels, p)
	}
	c.Height = y
	return drawing.Execute(w, c)
}

var drawing = template.Must(template.New("chart").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="10" y="18" fill="#555">{{.Caption}}</text>
{{- $left := .Left}}
{{- range .Panels}}
<text x="10" y="{{.Y}}" dy="4" font-weight="bold">{{.Title}}</text>
{{- range .Bars}}
<text x="{{$left}}" y="{{.Y}}" dx="-8" dy="13" text-anchor="end">{{.Name}}</text>
<rect x="{{$left}}" y="{{.Y}}" width="{{.Length}}" height="14" fill="{{if .Ours}}#0b6e4f{{else}}#9db4c0{{end}}"/>
<text x="{{.End}}" y="{{.Y}}" dx="6" dy="12">{{.Figure}}</text>
{{- end}}
{{- end}}
</svg>
`))
