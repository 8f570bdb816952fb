// Package show is what make run shows: the real image in QEMU, simulated nodes
// and MFDs at work around it, a node that fails now and then, and the lamps.
package show

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"spoolgate/tools/lab/netns"
	"spoolgate/tools/lab/node"
	"spoolgate/tools/lab/site"
	"spoolgate/tools/vm"
)

// Options of a show.
type Options struct {
	// Program is the lab command.
	Program string
	Image   vm.Image
	Nodes   int
	MFDs    int
	Web     string // as told to the person
	Out     io.Writer
}

// Times of the show, long enough to be watched.
const (
	calm    = 45 * time.Second // before a service fails
	outage  = 40 * time.Second
	upDelay = "20s"
)

type stage struct {
	Options
	site  *site.Site
	box   *site.VirtualBox
	begin time.Time
	mu    sync.Mutex // of Out
}

// Run shows until ctx ends; then nothing of it is left.
func Run(ctx context.Context, o Options, web net.Listener) (err error) {
	s := &stage{Options: o, begin: time.Now()}
	if s.site, err = site.New(site.Options{Program: o.Program, Nodes: o.Nodes, MFDs: o.MFDs}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.site.Close()) }()
	s.say("switching the box on: %d nodes, %d MFDs, virtual address %s", o.Nodes, o.MFDs, site.VIP)
	group := s.site.Config(`checks.interval = "5s"`, `checks.timeout = "2500ms"`, `checks.up_delay = "`+upDelay+`"`)
	if s.box, err = s.site.AddVirtualBox(ctx, s.Image, s.site.BoxConfig(group), s.console); err != nil {
		return quiet(ctx, err)
	}
	defer s.box.CutPower()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { web.Close() })
	// Nobody waits for what follows at the end: a printer in the middle of a
	// session learns of it by a time-out, and the process ends before.
	go forward(ctx, web, s.box.Office)
	if err := s.waitServing(ctx); err != nil {
		return quiet(ctx, err)
	}
	s.welcome()
	for i := range s.site.MFDs {
		go s.work(ctx, i)
	}
	go s.watchLamps(ctx)
	go s.followEvents(ctx)
	go s.failures(ctx)
	select {
	case <-ctx.Done():
		s.say("ending: switching the box off, taking the site down")
		return nil
	case <-s.box.Done():
		return errors.New("the box has ended")
	}
}

// quiet makes no error of the person's wish to end.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Since(s.begin).Truncate(100 * time.Millisecond).Seconds()
	fmt.Fprintf(s.Out, "%6.1f s  %s\n", at, fmt.Sprintf(format, args...))
}

// console picks what a person would look for on the serial console.
func (s *stage) console(line string) {
	switch {
	case strings.Contains(line, "Starting kernel"):
		s.say("console: %s", line)
	case strings.Contains(line, initSays):
		_, text, _ := strings.Cut(line, initSays)
		s.say("console: %s", text)
	case eventLine.MatchString(line):
		found := eventLine.FindStringSubmatch(line)
		s.say("box:     %s: %s", found[1], found[2])
	}
}

// initSays is what PID 1 begins its words on the console with; the shell's
// prompt may stand before it.
const initSays = "spoolgate: "

// serveTime is how long the box may take to serve its first MFD.
const serveTime = 3 * time.Minute

func (s *stage) waitServing(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serveTime)
	defer cancel()
	for {
		c, err := s.site.MFDs[0].Connect(ctx, 5011)
		if err == nil {
			s.say("the first MFD is served, by node %s", c.Node)
			return c.Close()
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the box does not serve: %w", err)
		}
	}
}

func (s *stage) welcome() {
	_, port, err := net.SplitHostPort(s.Web)
	if err != nil {
		port = "8443"
	}
	s.say("web UI:  https://spoolgate.localhost:%s (self-signed: go on past the browser's warning)", port)
	s.say("look at: the verdict and the panel there, when node %s loses a service in %s, and when it comes back", nodeName(0), calm)
	s.say("Ctrl-C ends everything")
}

func nodeName(i int) string { return string(rune('A' + i)) }

// failures lets one service after the other fail and come back.
func (s *stage) failures(ctx context.Context) {
	services := []struct {
		port uint16
		name string
	}{{node.TS, "Terminal Server, port 5022,"}, {node.SPOC, "Spooler Controller, port 5555,"}}
	for i := 0; ; i++ {
		n, service := s.site.Nodes[i%len(s.site.Nodes)], services[i/len(s.site.Nodes)%len(services)]
		if !sleep(ctx, calm) {
			return
		}
		s.say("LAB: the %s of node %s stops", service.name, n.Name)
		if err := n.StopService(service.port); err != nil {
			s.say("LAB: %v", err)
		}
		if !sleep(ctx, outage) {
			return
		}
		s.say("LAB: the %s of node %s starts", service.name, n.Name)
		if err := n.StartService(service.port); err != nil {
			s.say("LAB: %v", err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// forward offers the box's web UI outside of the simulated networks.
func forward(ctx context.Context, l net.Listener, office *netns.Namespace) {
	for {
		outer, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer outer.Close()
			inner, err := office.Dial(ctx, site.OfficeAddress, site.WebUI)
			if err != nil {
				return
			}
			defer inner.Close()
			stop := context.AfterFunc(ctx, func() { inner.Close(); outer.Close() })
			defer stop()
			go func() {
				// Either end may go first; both are closed then.
				_, _ = io.Copy(inner, outer)
				inner.CloseWrite()
			}()
			_, _ = io.Copy(outer, inner)
		}()
	}
}
