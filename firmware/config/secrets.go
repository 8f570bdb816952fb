package config

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"spoolgate/firmware/secret"
)

// secret reads a password. The report remembers where it stands: whatever is read
// as a secret is sealed as one.
func (s *section) secret(name string) secret.Text {
	s.secrets = append(s.secrets, s.key(name))
	t := secret.Text(s.text(name, "", `"..."`))
	if t != "" && !t.Sealed() {
		s.plain = append(s.plain, s.key(name))
	}
	const do = "Type it in again; config apply encrypts it"
	if !t.Whole() {
		s.add(s.key(name), "this is no encrypted password", "what config apply writes after sealed-1: is longer, and was cut or changed", do)
	} else if text, err := s.box.Open(t); err == nil && text != "" && strings.TrimSpace(text) == "" {
		s.add(s.key(name), "there are only blanks in it", "nobody has such a password: who typed them meant to write it later", "Write the right one")
	} else if err != nil && !s.box.IsZero() {
		s.add(s.key(name), "this password was encrypted by another box, or is damaged", "a box opens what its own key encrypted, and has another key after a factory reset", do)
	}
	return t
}

// shortestShared is the least length of what a person makes up for two machines, in
// characters. Nobody types it but once, and who has a digest of it can try guesses as
// fast as a computer can.
const shortestShared = 16

// shared reads a password that the box and another machine share, and that stands for
// nothing else; none unless it is written. harm is what somebody can do who guesses it.
func (s *section) shared(name, harm string) secret.Text {
	t := s.secret(name)
	_, written := s.values[name]
	text, err := s.box.Open(t)
	if !written || err != nil || s.wrong(name) || utf8.RuneCountInString(text) >= shortestShared {
		return t
	}
	what := "there is nothing in it"
	if text != "" {
		what = fmt.Sprintf("this is shorter than %d characters", shortestShared)
	}
	s.add(s.key(name), what, "who guesses it can "+harm,
		fmt.Sprintf("Write %d characters or more that nobody can guess, such as openssl rand -hex 16 prints, or remove the line to go without", shortestShared))
	return t
}

// Seal returns the configuration with every plain password in it sealed, and
// nothing else changed: comments and layout stay. A configuration that is wrong,
// but is TOML, is sealed too.
func Seal(text []byte, limits Limits, key secret.Key) ([]byte, error) {
	return rewrite(text, limits, func(t secret.Text) secret.Text {
		if t == "" || t.Sealed() {
			return t
		}
		return key.Seal(string(t))
	})
}

// Conceal returns the configuration for others to read: without passwords, sealed ones
// included, and without comments. It need not be right: whatever is called like a secret
// is left out, too, misspelt and of the wrong type.
func Conceal(text []byte, limits Limits) ([]byte, error) {
	text, err := rewrite(text, limits, func(t secret.Text) secret.Text {
		if t == "" {
			return t
		}
		return concealed
	})
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	if err := toml.Unmarshal(text, &values); err != nil {
		return nil, Problems{syntaxProblem(err)}
	}
	return toml.Marshal(conceal("", values))
}

const concealed = "(left out)"

var secretly = regexp.MustCompile(`(?i)pass|secret|token|communit|auth|priv|key|url`)

// conceal leaves a value out that is called like a secret, and those in it.
func conceal(name string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, one := range v {
			v[name] = conceal(name, one)
		}
	case []any:
		for i, one := range v {
			v[i] = conceal(name, one)
		}
	default:
		if secretly.MatchString(name) && v != "" {
			return concealed
		}
	}
	return value
}

// Same reports whether two configurations are the same to the letter, but for how
// their passwords are sealed.
func Same(a, b []byte, limits Limits, key secret.Key) bool {
	plain := func(text []byte) ([]byte, error) {
		return rewrite(text, limits, func(t secret.Text) secret.Text {
			opened, err := key.Open(t)
			if err != nil {
				return t
			}
			// The mark has every one written anew, whatever its quotes.
			return secret.Text("\x00" + opened)
		})
	}
	first, errA := plain(a)
	second, errB := plain(b)
	return errA == nil && errB == nil && bytes.Equal(first, second)
}

// rewrite puts what change makes of each secret in its place.
func rewrite(text []byte, limits Limits, change func(secret.Text) secret.Text) ([]byte, error) {
	values := map[string]any{}
	if err := toml.Unmarshal(text, &values); err != nil {
		return nil, Problems{syntaxProblem(err)}
	}
	r := &report{lines: map[string]int{}}
	read(r, values, limits)
	at := positions(text)
	type edit struct {
		place unstable.Range
		value secret.Text
	}
	var edits []edit
	for _, path := range r.secrets {
		place, written := at[onlyOne(path)]
		if !written {
			continue
		}
		if value := change(secret.Text(place.value)); value != secret.Text(place.value) {
			edits = append(edits, edit{place.raw, value})
		}
	}
	// From the end, so that the places before keep theirs.
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(b.place.Offset, a.place.Offset) })
	out := slices.Clone(text)
	for _, e := range edits {
		out = slices.Replace(out, int(e.place.Offset), int(e.place.Offset+e.place.Length), []byte(strconv.Quote(string(e.value)))...)
	}
	return out, nil
}

// written is a text value as it stands in the file.
type written struct {
	raw   unstable.Range // quotes and all
	value string
}

// positions finds every text value of a document by its path.
func positions(text []byte) map[string]written {
	out := map[string]written{}
	w := lineWalker{lines: map[string]int{}, counts: map[string]int{}}
	w.found = func(path string, v *unstable.Node) {
		if v.Kind == unstable.String {
			out[onlyOne(path)] = written{v.Raw, string(v.Data)}
		}
	}
	w.walk(text)
	return out
}

// onlyOne writes the path of an array's first element like that of a single table:
// [group] is read as [[group]] is.
func onlyOne(path string) string { return strings.ReplaceAll(path, "[1]", "") }
