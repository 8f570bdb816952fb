package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// sufferer is a client of an Outage. What it knows is under the outage's lock.
type sufferer struct {
	*outage
	number  int
	address netip.Addr
	was     netip.Addr          // node that answered first
	nodes   map[netip.Addr]bool // all that ever answered
	landed  time.Time           // first answer of another one
	long    []*lasting
}

// lasting is a long connection, and those that follow it when it ends.
type lasting struct {
	streams bool
	node    netip.Addr
	last    time.Time
	stands  bool
}

// live does what the client does until ctx ends: one short connection, which binds
// it, and then everything side by side.
func (c *sufferer) live(ctx context.Context) {
	if !c.until(ctx, c.ask) {
		return
	}
	c.stood()
	for _, l := range c.long {
		c.all.Go(func() { c.hold(ctx, l) })
	}
	// Clients take turns.
	rest := time.Duration(c.number) * Pause / time.Duration(c.MFDs+c.Others)
	for pause(ctx, rest) && c.until(ctx, c.ask) {
		rest = Pause
	}
}

// until tries again and again; it reports whether it came to success.
func (c *sufferer) until(ctx context.Context, try func(context.Context) error) bool {
	for {
		err := try(ctx)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			return true
		}
		c.failed(err)
		if !pause(ctx, Retry) {
			return false
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// ask is a short connection.
func (c *sufferer) ask(ctx context.Context) error {
	conn, _, err := c.connect(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// connect opens a connection, and returns it with who answered its first request.
func (c *sufferer) connect(ctx context.Context) (_ *net.TCPConn, node netip.Addr, err error) {
	d := net.Dialer{Timeout: Giveup, LocalAddr: &net.TCPAddr{IP: c.address.AsSlice()}}
	conn, err := d.DialContext(ctx, "tcp4", netip.AddrPortFrom(c.To, c.Ports[c.number%len(c.Ports)]).String())
	if err != nil {
		return nil, node, fmt.Errorf("connect: %w", plain(err))
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(Giveup)); err != nil {
		return nil, node, err
	}
	if _, err := conn.Write(make([]byte, requestSize)); err != nil {
		return nil, node, fmt.Errorf("ask: %w", plain(err))
	}
	b := make([]byte, answerSize)
	if _, err := io.ReadFull(conn, b); err != nil {
		return nil, node, fmt.Errorf("answer: %w", plain(err))
	}
	a := decodeAnswer(b)
	c.answered(a.node)
	return conn.(*net.TCPConn), a.node, conn.SetDeadline(time.Time{})
}

// hold keeps a long connection; when it ends another one follows at once.
func (c *sufferer) hold(ctx context.Context, l *lasting) {
	first := true
	for {
		var conn *net.TCPConn
		var node netip.Addr
		if !c.until(ctx, func(ctx context.Context) (err error) {
			conn, node, err = c.connect(ctx)
			return err
		}) {
			return
		}
		c.mu.Lock()
		l.stands, l.node, l.last = true, node, time.Now()
		c.mu.Unlock()
		if first {
			c.stood()
			first = false
		}
		err := c.follow(ctx, conn, l)
		at := time.Now()
		conn.Close()
		if ctx.Err() != nil {
			return
		}
		c.over(l, Ending{Last: l.last, At: at, By: err.Error()})
	}
}

// follow reads until the connection ends, and sends if it is one that streams.
func (c *sufferer) follow(ctx context.Context, conn *net.TCPConn, l *lasting) error {
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if l.streams {
		sending, ended := context.WithCancel(ctx)
		defer ended()
		go func() {
			for pause(sending, requestEvery) {
				if _, err := conn.Write(make([]byte, requestsAtOnce*requestSize)); err != nil {
					return // whoever reads hears of it, too
				}
			}
		}()
	}
	b := make([]byte, 4096)
	for {
		if _, err := conn.Read(b); err != nil {
			return plain(err)
		}
		c.mu.Lock()
		l.last = time.Now()
		c.mu.Unlock()
	}
}

// plain is an error without addresses and ports, so that equal ones can be counted.
func plain(err error) error {
	var number syscall.Errno
	switch {
	case errors.As(err, &number):
		return number
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("nothing for %s", Giveup)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("closed by the other end")
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Errorf("nothing for %s", Giveup)
	}
	return err
}

// answered takes an answer of a node.
func (c *sufferer) answered(by netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.was.IsValid() {
		c.was = by
	}
	if c.nodes[by] = true; c.landed.IsZero() && by != c.was {
		c.landed = time.Now()
	}
}

// split says which nodes answered the client if they are more than one may have.
func (c *sufferer) split() string {
	living := ""
	n := 0
	for node := range c.nodes {
		if node != c.victim || c.was != c.victim {
			living += " " + node.String()
			n++
		}
	}
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("%s was first on %s, then on%s", c.address, c.was, living)
}

func (c *sufferer) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.felt.FirstFailed.IsZero() {
		c.felt.FirstFailed = time.Now()
	}
	c.felt.Failed[err.Error()]++
}

// over takes the end of a long connection.
func (c *sufferer) over(l *lasting, e Ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.stands = false; l.node != c.victim {
		c.felt.Wronged = append(c.felt.Wronged, fmt.Sprintf("%s on %s: %s", c.address, l.node, e.By))
		return
	}
	c.ended(l, e)
}

// stood counts a connection that has to stand before all are ready.
func (r *outage) stood() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missing--; r.missing == 0 {
		close(r.stand)
	}
}
