package vm

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Console is the serial console: everything that was said, and a keyboard.
type Console struct {
	in   io.WriteCloser
	log  func(line string)
	mu   sync.Mutex
	text strings.Builder
	seen int           // what WaitFor has consumed
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
	for {
		c.mu.Lock()
		said := c.text.String()[c.seen:]
		before, _, found := strings.Cut(said, marker)
		if found {
			c.seen += len(before) + len(marker)
			c.mu.Unlock()
			return before + marker, nil
		}
		news, end := c.news, c.end
		c.mu.Unlock()
		if end != nil {
			return said, fmt.Errorf("waiting for %q: %w; it said last:\n%s", marker, end, tail(said))
		}
		select {
		case <-news:
		case <-ctx.Done():
			return said, fmt.Errorf("waiting for %q: %w; the console said last:\n%s", marker, ctx.Err(), tail(said))
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

// Type presses keys.
func (c *Console) Type(text string) error {
	_, err := io.WriteString(c.in, text)
	return err
}

// Run gives the technician's shell a command and returns what it wrote. The
// box must have started.
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
	if _, err := c.WaitFor(ctx, fmt.Sprintf("begin-%d\r\n", id)); err != nil {
		return "", err
	}
	mark := fmt.Sprintf("end-%d\r\n", id)
	out, err := c.WaitFor(ctx, mark)
	return strings.ReplaceAll(strings.TrimSuffix(out, mark), "\r\n", "\n"), err
}
