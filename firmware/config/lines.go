package config

import (
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lineIndex finds the line of each key path of a document, so that a problem
// can point at it. Paths count array elements from 1: group[1].node[2].address.
// A document that does not parse gets the lines of what comes before the error.
func lineIndex(data []byte) map[string]int {
	w := lineWalker{lines: map[string]int{}, counts: map[string]int{}}
	w.walk(data)
	return w.lines
}

func (w *lineWalker) walk(data []byte) {
	w.parser.Reset(data)
	table := ""
	for w.parser.NextExpression() {
		switch e := w.parser.Expression(); e.Kind {
		case unstable.Table:
			table = w.header(e, false)
		case unstable.ArrayTable:
			table = w.header(e, true)
		case unstable.KeyValue:
			w.keyValue(table, e)
		}
	}
}

type lineWalker struct {
	parser unstable.Parser
	lines  map[string]int
	counts map[string]int // elements seen so far of each array of tables
	found  func(path string, v *unstable.Node)
}

// header returns the path of a [table] or [[array]] line.
func (w *lineWalker) header(e *unstable.Node, array bool) string {
	path := ""
	it := e.Key()
	for it.Next() {
		key := it.Node()
		path = join(path, string(key.Data))
		if it.IsLast() && array {
			w.counts[path]++
		}
		if n := w.counts[path]; n > 0 {
			path = element(path, n)
		}
		if _, ok := w.lines[path]; !ok {
			w.lines[path] = w.line(key)
		}
	}
	return path
}

func (w *lineWalker) keyValue(table string, e *unstable.Node) {
	path, line := table, 0
	it := e.Key()
	for it.Next() {
		path = join(path, string(it.Node().Data))
		line = w.line(it.Node())
	}
	w.lines[path] = line
	w.value(path, line, e.Value())
}

func (w *lineWalker) value(path string, line int, v *unstable.Node) {
	if w.found != nil {
		w.found(path, v)
	}
	switch v.Kind {
	case unstable.InlineTable:
		it := v.Children()
		for it.Next() {
			w.keyValue(path, it.Node())
		}
	case unstable.Array:
		it := v.Children()
		for n := 1; it.Next(); n++ {
			// An element has the line of its key unless it starts a table.
			w.lines[element(path, n)] = line
			w.value(element(path, n), line, it.Node())
		}
	}
}

func (w *lineWalker) line(n *unstable.Node) int {
	return w.parser.Shape(n.Raw).Start.Line
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func element(path string, n int) string { return path + "[" + itoa(n) + "]" }

// parent is the path one level up: of group[1].node[2] it is group[1].
func parent(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	return ""
}
