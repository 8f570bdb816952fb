package web

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tokens reads the colours of one scheme from the style sheet.
func tokens(t *testing.T, css string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(css, -1) {
		out[m[1]] = m[2]
	}
	if len(out) == 0 {
		t.Fatal("the style sheet has no colours")
	}
	return out
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	v, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	channel := func(shift uint) float64 {
		c := float64(v>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

func TestColoursHaveContrastInBothSchemes(t *testing.T) {
	css, err := staticFiles.ReadFile("static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("there is no dark scheme")
	}
	dark, _, _ = strings.Cut(dark, "* { box-sizing")
	type pair struct {
		front, back string
		least       float64
	}
	pairs := []pair{{"text", "page", 4.5}, {"text", "card", 4.5}, {"soft", "page", 4.5}, {"soft", "card", 4.5}}
	for _, tone := range []string{"good", "warn", "bad", "quiet"} {
		pairs = append(pairs, pair{tone, "card", 4.5}, pair{tone, tone + "-tint", 3}, pair{"text", tone + "-tint", 4.5}, pair{"soft", tone + "-tint", 4.5})
	}
	for name, scheme := range map[string]string{"light": light, "dark": dark} {
		colour := tokens(t, scheme)
		for _, p := range pairs {
			a, b := luminance(t, colour[p.front]), luminance(t, colour[p.back])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < p.least {
				t.Errorf("%s: %s on %s is %s to 1, want %.1f", name, p.front, p.back, fmt.Sprintf("%.2f", ratio), p.least)
			}
		}
	}
}
