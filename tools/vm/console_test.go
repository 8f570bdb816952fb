package vm

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

func TestBetweenLeavesOutWhatTheKernelSaysIntoAnAnswer(t *testing.T) {
	const log = "[   11.479444] paneld: init: start /bin/paneld: no such file or directory\r\n"
	tests := []struct {
		name, said, want string
		rest             string // of said, for who comes next; "-" where there is no answer yet
	}{
		{"nothing said", "begin\r\nend\r\n", "", ""},
		{"an answer", "begin\r\none\r\ntwo\r\nend\r\n$ ", "one\r\ntwo\r\n", "$ "},
		{"a last line without an end", "begin\r\ntwoend\r\n", "two", ""},
		{"the log between lines", log + "begin\r\n" + log + "one\r\n" + log + log + "end\r\n", "one\r\n", ""},
		{"the log in a line", "begin\r\non" + log + "e\r\nend\r\n", "one\r\n", ""},
		{"the log in the first mark", "beg" + log + "in\r\none\r\nend\r\n", "one\r\n", ""},
		{"the log in the last mark", "begin\r\none\r\nen" + log + "d\r\n", "one\r\n", ""},
		{"the log before a line's end", "begin\r\none\r" + log + "\nend\r\n", "one\r\n", ""},
		{"the log after it", "begin\r\none\r\nend\r\n" + log, "one\r\n", log},
		{"the echo of the command before", "$ echo be''gin; x; echo e''nd\r\nbegin\r\none\r\nend\r\n", "one\r\n", ""},
		{"the end of another before", "end\r\nbegin\r\none\r\nend\r\n", "one\r\n", ""},
		{"not ended", "begin\r\none\r\n", "", "-"},
		{"not begun", "one\r\nend\r\n", "", "-"},
		{"ends within the log", "begin\r\none\r\nen" + log[:20], "", "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, end := between(tt.said, "begin\r\n", "end\r\n")
			if tt.rest == "-" {
				if end >= 0 {
					t.Errorf("found %q up to %d", got, end)
				}
				return
			}
			if got != tt.want || end < 0 || tt.said[end:] != tt.rest {
				t.Errorf("found %q up to %d, want %q and %q left", got, end, tt.want, tt.rest)
			}
		})
	}
}

// talker answers a command while the kernel speaks into it.
type talker struct{ out io.Writer }

func (s talker) Write(typed []byte) (int, error) {
	go io.WriteString(s.out, strings.Join([]string{
		"echo be''gin-1; mv a b; echo e''nd-1\r\n",
		"begin-1\r\n[   11.479444] paneld: ",
		"init: start: no such file\r\nen",
		"[   11.479445] a: b\r\nd-1\r\nnext\r\n",
	}, ""))
	return len(typed), nil
}

func (talker) Close() error { return nil }

func TestRunTellsTheShellFromTheKernel(t *testing.T) {
	in, out := io.Pipe()
	c := newConsole(talker{out}, nil)
	go c.read(in)
	defer out.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if answer, err := c.Run(ctx, "mv a b"); answer != "" || err != nil {
		t.Errorf("answered %q, %v", answer, err)
	}
	if said, err := c.WaitFor(ctx, "next"); said != "next" {
		t.Errorf("next said %q, %v", said, err)
	}
}
