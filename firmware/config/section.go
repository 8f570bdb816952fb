package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"spoolgate/firmware/secret"
)

// section reads one table of the file key by key. Every reading method returns
// a value that the caller can go on with, so that one mistake never hides the
// next; what was wrong is in the report.
type section struct {
	*report
	path   string
	values map[string]any
	known  []string
}

type report struct {
	lines    map[string]int
	problems Problems
	secrets  []string   // keys that are passwords
	plain    []string   // those that anybody can read
	box      secret.Key // the zero Key: passwords can't be opened here
}

func (r *report) add(key, what, why, do string) {
	line := 0
	for at := key; at != "" && line == 0; at = parent(at) {
		line = r.lines[at]
	}
	r.problems = append(r.problems, Problem{Line: line, Key: key, What: what, Why: why, Do: do})
}

func (s *section) key(name string) string { return join(s.path, name) }

func (s *section) take(name string) (any, bool) {
	s.known = append(s.known, name)
	v, ok := s.values[name]
	return v, ok
}

func (s *section) wrongType(key string, v any, want, example string) {
	s.add(key, fmt.Sprintf("this is %s, and %s is wanted", typeName(v), want), "", "Write it like "+example)
}

func (s *section) text(name, def, example string) string {
	v, ok := s.take(name)
	if !ok {
		return def
	}
	t, ok := v.(string)
	if !ok {
		s.wrongType(s.key(name), v, "a text", name+" = "+example)
		return def
	}
	return t
}

func (s *section) flag(name string) bool { return s.flagOr(name, false) }

func (s *section) flagOr(name string, def bool) bool {
	v, ok := s.take(name)
	if !ok {
		return def
	}
	b, ok := v.(bool)
	if !ok {
		s.wrongType(s.key(name), v, "true or false", fmt.Sprintf("%s = %t", name, !def))
		return def
	}
	return b
}

func (s *section) number(name string, def, lowest, highest int, why string) int {
	v, ok := s.take(name)
	if !ok {
		return def
	}
	n, ok := v.(int64)
	if !ok {
		s.wrongType(s.key(name), v, "a whole number", fmt.Sprintf("%s = %d", name, def))
		return def
	}
	if n < int64(lowest) || n > int64(highest) {
		s.add(s.key(name), fmt.Sprintf("%d is outside %d to %d", n, lowest, highest), why,
			fmt.Sprintf("Choose a number from %d to %d; the default is %d", lowest, highest, def))
		return def
	}
	return int(n)
}

func (s *section) duration(name string, def, lowest, highest time.Duration, tooShort, tooLong string) time.Duration {
	v, ok := s.take(name)
	if !ok {
		return def
	}
	t, ok := v.(string)
	if !ok {
		s.wrongType(s.key(name), v, "a time with its unit", fmt.Sprintf("%s = %q", name, shortDuration(def)))
		return def
	}
	d, err := time.ParseDuration(t)
	if err != nil {
		s.add(s.key(name), fmt.Sprintf("%q is no time", t), "a time is a number and its unit: s, m or h",
			fmt.Sprintf("Write it like %s = %q", name, shortDuration(def)))
		return def
	}
	if d < lowest || d > highest {
		why := tooShort
		if d > highest {
			why = tooLong
		}
		s.add(s.key(name), fmt.Sprintf("%s is outside %s to %s", t, shortDuration(lowest), shortDuration(highest)), why,
			fmt.Sprintf("Choose a time from %s to %s; the default is %s", shortDuration(lowest), shortDuration(highest), shortDuration(def)))
		return def
	}
	return d
}

func (s *section) address(name string) netip.Addr {
	if _, written := s.values[name]; !written {
		s.known = append(s.known, name)
		return netip.Addr{}
	}
	t := s.text(name, "", `"192.0.2.10"`)
	return s.parseAddress(s.key(name), t)
}

func (s *section) parseAddress(key, t string) netip.Addr {
	a, err := netip.ParseAddr(t)
	switch {
	case err != nil:
		s.add(key, fmt.Sprintf("%q is no IP address", t), "names are not looked up here, so that the box works when DNS does not",
			`Write four numbers with dots, like "192.0.2.10"`)
	case a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240):
		s.add(key, t+" can't be the address of one machine on the network", "it is a special address (unspecified, loopback, multicast, reserved, broadcast or with a zone)",
			"Write the address that the machine has on the network")
	default:
		return a.Unmap()
	}
	return netip.Addr{}
}

// list reads an array; a single value stands for an array of one.
func (s *section) list(name string) ([]any, bool) {
	v, ok := s.take(name)
	if !ok {
		return nil, false
	}
	if l, ok := v.([]any); ok {
		return l, true
	}
	return []any{v}, true
}

func (s *section) addresses(name string) []netip.Addr {
	l, _ := s.list(name)
	var out []netip.Addr
	for i, v := range l {
		key := element(s.key(name), i+1)
		t, ok := v.(string)
		if !ok {
			s.wrongType(key, v, "an IP address", name+` = ["192.0.2.53"]`)
		} else if a := s.parseAddress(key, t); a.IsValid() {
			out = append(out, a)
		}
	}
	return out
}

// table reads the sub-table name; an absent one is empty.
func (s *section) table(name string) *section {
	sub := &section{report: s.report, path: s.key(name)}
	v, ok := s.take(name)
	if !ok {
		return sub
	}
	if sub.values, ok = v.(map[string]any); !ok {
		s.wrongType(s.key(name), v, "a table", "["+s.key(name)+"]")
	}
	return sub
}

// tables reads an array of tables.
func (s *section) tables(name string) []*section {
	l, _ := s.list(name)
	var out []*section
	for i, v := range l {
		sub := &section{report: s.report, path: element(s.key(name), i+1)}
		var ok bool
		if sub.values, ok = v.(map[string]any); !ok {
			s.wrongType(sub.path, v, "a table", "[["+name+"]]")
			continue
		}
		out = append(out, sub)
	}
	return out
}

// finish reports the keys that nobody asked for.
func (s *section) finish() {
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if !slices.Contains(s.known, name) {
			s.add(s.key(name), "there is no such key", "a misspelt key would silently do nothing",
				"Remove it, or use one of: "+strings.Join(s.known, ", "))
		}
	}
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	default:
		return "a date or time"
	}
}

// shortDuration writes 30m, not 30m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
