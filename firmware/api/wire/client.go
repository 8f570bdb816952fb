package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"time"

	"spoolgate/firmware/api"
)

// Client asks one daemon over its Unix socket.
type Client struct {
	path     string
	http     *http.Client
	patience time.Duration
}

// patience is how long an answer may take, and how long a daemon that has something
// to say every second may say nothing, before it counts as hung. To connect proves
// nothing: whoever started the daemon holds its socket.
const patience = 10 * time.Second

// Answers that wait for other machines take longer.
const (
	lookUpPatience = time.Minute       // for name servers that are silent, one after the other
	testPatience   = 130 * time.Second // for a message, which reportd gives up after 120 s
)

// NewClient returns a client of the socket at path; it connects with the first
// request.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return &Client{path: path, patience: patience, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// within is the client of requests that may take longer than others.
func (c *Client) within(patience time.Duration) *Client {
	return &Client{path: c.path, http: c.http, patience: patience}
}

func (c *Client) silent() error { return fmt.Errorf("it has been silent for %s", c.patience) }

func (c *Client) do(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience, c.silent())
	defer cancel()
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(into)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return c.unanswered(context.Cause(ctx))
	}
	return fmt.Errorf("answer of %s to %s: %w", c.path, path, err)
}

func (c *Client) unanswered(err error) error {
	return fmt.Errorf("%s does not answer: %w", c.path, err)
}

// send returns an answer of the 200s, or the daemon's own *Error.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://spoolgate"+path, content)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		// The URL is of no use to whoever reads this: the socket is the address.
		var named *url.Error
		if errors.As(err, &named) {
			err = named.Err
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, c.unanswered(err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	refusal := &api.Error{}
	if json.NewDecoder(resp.Body).Decode(refusal) != nil || refusal.What == "" {
		refusal.What = resp.Status + " to " + method + " " + path
	}
	refusal.Status = resp.StatusCode
	return nil, refusal
}

// pace is what a daemon promises of a stream once it has begun to answer.
type pace bool

const (
	everySecond pace = true
	atChanges   pace = false // it may have nothing to say for days
)

// stream yields the JSON values of an answer that goes on.
func stream[T any](ctx context.Context, c *Client, path string, p pace) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		reading, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		hangs := time.AfterFunc(c.patience, func() { cancel(c.silent()) })
		defer hangs.Stop()
		resp, err := c.send(reading, http.MethodGet, path, nil)
		if err != nil {
			yield(none, err)
			return
		}
		defer resp.Body.Close()
		for d := json.NewDecoder(resp.Body); ; {
			if hangs.Stop(); p == everySecond {
				hangs.Reset(c.patience)
			}
			var v T
			if err := d.Decode(&v); err != nil {
				if reading.Err() != nil {
					err = context.Cause(reading)
				}
				if ctx.Err() == nil {
					yield(none, fmt.Errorf("%s ended: %w", c.path, err))
				}
				return
			}
			hangs.Stop() // what the reader takes is no silence of the daemon
			if !yield(v, nil) {
				return
			}
		}
	}
}
