package vm

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// Console is the serial console: everything that was said, and a keyboard.
type Console struct {
	in   io.WriteCloser
	log  func(line string)
	mu   sync.Mutex
	text strings.Builder
	seen int           // what WaitFor and Run have consumed
	news chan struct{} // closed and replaced at each piece of output
	end  error         // of the machine
	runs int           // of Run
}

func newConsole(in io.WriteCloser, log func(line string)) *Console {
	return &Console{in: in, log: log, news: make(chan struct{})}
}

func (c *Console) read(out io.Reader) {
	in := bufio.NewReader(out)
	var line strings.Builder
	for {
		b, err := in.ReadByte()
		if err != nil {
			return
		}
		if b == '\n' && c.log != nil {
			c.log(strings.TrimSpace(line.String()))
		}
		if b == '\n' {
			line.Reset()
		} else {
			line.WriteByte(b)
		}
		c.mu.Lock()
		c.text.WriteByte(b)
		if in.Buffered() == 0 {
			close(c.news)
			c.news = make(chan struct{})
		}
		c.mu.Unlock()
	}
}

func (c *Console) close(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = err
	close(c.news)
	c.news = make(chan struct{})
}

// WaitFor waits until the console says marker after what the last WaitFor
// found, and returns what was said up to and with it.
func (c *Console) WaitFor(ctx context.Context, marker string) (string, error) {
	return c.wait(ctx, marker, func(said string) int {
		if at := strings.Index(said, marker); at >= 0 {
			return at + len(marker)
		}
		return -1
	})
}

// wait waits until end finds where something ends that is not consumed yet, and
// consumes up to there.
func (c *Console) wait(ctx context.Context, what string, end func(said string) int) (string, error) {
	for {
		c.mu.Lock()
		said := c.text.String()[c.seen:]
		if n := end(said); n >= 0 {
			c.seen += n
			c.mu.Unlock()
			return said[:n], nil
		}
		news, gone := c.news, c.end
		c.mu.Unlock()
		if gone != nil {
			return said, fmt.Errorf("waiting for %q: %w; it said last:\n%s", what, gone, tail(said))
		}
		select {
		case <-news:
		case <-ctx.Done():
			return said, fmt.Errorf("waiting for %q: %w; the console said last:\n%s", what, ctx.Err(), tail(said))
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

// Type presses keys.
func (c *Console) Type(text string) error {
	_, err := io.WriteString(c.in, text)
	return err
}

// Run gives the technician's shell a command and returns what it wrote, without
// what the kernel said into it. The box must have started.
func (c *Console) Run(ctx context.Context, command string) (string, error) {
	c.mu.Lock()
	c.runs++
	id := c.runs
	c.mu.Unlock()
	// The shell joins what the quotes part, so that the echo of the command is
	// not taken for its answer.
	if err := c.Type(fmt.Sprintf("echo be''gin-%d; %s; echo e''nd-%d\r", id, command, id)); err != nil {
		return "", err
	}
	var answer string
	_, err := c.wait(ctx, command, func(said string) (end int) {
		answer, end = between(said, fmt.Sprintf("begin-%d\r\n", id), fmt.Sprintf("end-%d\r\n", id))
		return end
	})
	return strings.ReplaceAll(answer, "\r\n", "\n"), err
}

// record is a message of the kernel's log. The kernel writes it in one piece, in
// the midst of another's line if need be.
var record = regexp.MustCompile(`\[ *[0-9]+\.[0-9]{6}\] `)

// between gives what others than the kernel said between two marks, and where in
// said it ends; -1 when it has not ended yet.
func between(said, begin, end string) (string, int) {
	var others strings.Builder
	read := 0
	for line := range strings.Lines(said) {
		read += len(line)
		if at := record.FindStringIndex(line); at != nil {
			line = line[:at[0]]
		}
		others.WriteString(line)
		_, after, _ := strings.Cut(others.String(), begin)
		if answer, found := strings.CutSuffix(after, end); found {
			return answer, read
		}
	}
	return "", -1
}
