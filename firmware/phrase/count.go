// Package phrase says numbers of things as people say them, the same in events, in the
// proof and on the console.
package phrase

import (
	"fmt"
	"strings"
)

// Count is a number with its noun, which is given in the singular and is a regular one.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %s", n, several(noun))
}

// Does is Count with what these do, in the words for one and for several.
func Does(n int, noun, one, several string) string {
	if n == 1 {
		several = one
	}
	return Count(n, noun) + " " + several
}

func several(noun string) string {
	stem, ends := strings.CutSuffix(noun, "y")
	if ends && stem != "" && !strings.ContainsAny(stem[len(stem)-1:], "aeiou") {
		return stem + "ies"
	}
	return noun + "s"
}
