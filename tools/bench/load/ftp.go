package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jlaffaye/ftp"
)

// FTP are sessions of passive FTP, each of which fetches one file.
type FTP struct {
	To          netip.Addr `json:"to"`
	First       int        `json:"first"`
	Clients     int        `json:"clients"`
	Count       int        `json:"count"`
	Concurrency int        `json:"concurrency"`
	File        string     `json:"file"`
}

// Scan is what each file has in it.
func Scan() []byte {
	scan := make([]byte, 64<<10)
	_, _ = Random(netip.IPv4Unspecified()).Read(scan)
	return scan
}

// Fetched is what became of them.
type Fetched struct {
	Done    int            `json:"done"`
	Elapsed time.Duration  `json:"elapsed"`
	Errors  map[string]int `json:"errors,omitempty"`
}

// Run fetches.
func (f FTP) Run(ctx context.Context) (Fetched, error) {
	got := Fetched{Errors: map[string]int{}}
	var next atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	scan := Scan()
	start := time.Now()
	for range f.Concurrency {
		all.Go(func() {
			for k := next.Add(1); k <= int64(f.Count) && ctx.Err() == nil; k = next.Add(1) {
				err := f.fetch(ctx, Client(f.First+int(k)%f.Clients), scan)
				mu.Lock()
				if err == nil {
					got.Done++
				} else {
					got.Errors[err.Error()]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	got.Elapsed = time.Since(start)
	return got, context.Cause(ctx)
}

// fetch goes where the reply to PASV says, as MFDs do.
func (f FTP) fetch(ctx context.Context, from netip.Addr, scan []byte) error {
	c, err := ftp.Dial(netip.AddrPortFrom(f.To, 21).String(), ftp.DialWithContext(ctx), ftp.DialWithDisabledEPSV(true), ftp.DialWithTrustPasvIP(true),
		ftp.DialWithDialer(net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Quit()
	if err := c.Login("anonymous", "printer"); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	file, err := c.Retr(f.File)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	got, err := io.ReadAll(file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	if !bytes.Equal(got, scan) {
		return fmt.Errorf("%d bytes came that are not the %d of the file", len(got), len(scan))
	}
	return nil
}
