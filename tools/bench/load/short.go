package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Short are short connections: connect, ask, hear the answer, close.
// The k-th is the k-th client's.
type Short struct {
	To netip.Addr `json:"to"`
	// Ports are asked in turn, by each client, too.
	Ports []uint16 `json:"ports"`
	// First is the number of the first client.
	First       int `json:"first"`
	Clients     int `json:"clients"`
	Count       int `json:"count"`
	Concurrency int `json:"concurrency"`
	// Over is the time over which they are spread evenly; 0 is as fast as they go.
	Over time.Duration `json:"over,omitempty"`
}

// Answers is what became of short connections.
type Answers struct {
	Done    int           `json:"done"`
	Elapsed time.Duration `json:"elapsed"`
	// Connect is until the connection stands: behind a proxy, with the proxy. Answer is
	// from the beginning to the whole answer.
	Connect Quantiles `json:"connect"`
	Answer  Quantiles `json:"answer"`
	// Errors by their texts.
	Errors map[string]int `json:"errors,omitempty"`
	// Split is how many clients were answered by more than one node.
	Split int `json:"split"`
	// Nodes is how many connections each node answered.
	Nodes map[netip.Addr]int `json:"nodes"`
	// Seen is as how many addresses the nodes saw the clients.
	Seen int `json:"seen"`
}

// patience is how long a connection may take.
const patience = 10 * time.Second

type exchange struct {
	client             int
	began, established time.Time
	got                int
	buffer             [answerSize]byte
}

type shortRun struct {
	Short
	poll           *poller
	start          time.Time
	open           map[int]*exchange
	begun          int
	connect, reply []time.Duration
	answers        Answers
	nodeOf         map[int]netip.Addr
	split          map[int]bool
	seen           map[netip.Addr]bool
}

// Run makes the connections.
func (s Short) Run(ctx context.Context) (_ Answers, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := newPoller()
	if err != nil {
		return Answers{}, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	r := &shortRun{
		Short: s, poll: p, start: time.Now(), open: map[int]*exchange{},
		connect: make([]time.Duration, 0, s.Count), reply: make([]time.Duration, 0, s.Count),
		answers: Answers{Errors: map[string]int{}, Nodes: map[netip.Addr]int{}},
		nodeOf:  map[int]netip.Addr{}, split: map[int]bool{}, seen: map[netip.Addr]bool{},
	}
	for r.fill(); len(r.open) > 0 || r.begun < s.Count; r.fill() {
		if ctx.Err() != nil {
			return r.answers, context.Cause(ctx)
		}
		events, err := p.wait(r.rest())
		if err != nil {
			return r.answers, err
		}
		for _, e := range events {
			r.advance(int(e.Fd), e.Events)
		}
		if len(events) == 0 {
			r.giveUp()
		}
	}
	r.answers.Elapsed = time.Since(r.start)
	r.answers.Connect, r.answers.Answer = quantiles(r.connect), quantiles(r.reply)
	r.answers.Split, r.answers.Seen = len(r.split), len(r.seen)
	return r.answers, nil
}

// fill begins as many connections as may be under way.
func (r *shortRun) fill() {
	for due := r.due(); len(r.open) < r.Concurrency && r.begun < due; {
		r.next()
	}
}

// due is how many connections are to be begun by now.
func (r *shortRun) due() int {
	if r.Over == 0 {
		return r.Count
	}
	return min(r.Count, 1+int(float64(r.Count)*float64(time.Since(r.start))/float64(r.Over)))
}

// rest is how long to wait for packets, in milliseconds.
func (r *shortRun) rest() int {
	const most = 200
	if r.Over == 0 || r.begun == r.Count || len(r.open) == r.Concurrency {
		return most
	}
	at := time.Duration(float64(r.Over) * float64(r.begun) / float64(r.Count))
	return int(min(max(time.Until(r.start.Add(at)).Milliseconds(), 0)+1, most))
}

func (r *shortRun) next() {
	k := r.begun
	r.begun++
	x := &exchange{client: r.First + k%r.Clients, began: time.Now()}
	fd, err := begin(Client(x.client), netip.AddrPortFrom(r.To, r.Ports[(k+k/r.Clients)%len(r.Ports)]))
	if err == nil {
		if err = r.poll.add(fd, unix.EPOLLOUT); err == nil {
			r.open[fd] = x
			return
		}
		unix.Close(fd)
	}
	r.answers.Errors["connect: "+err.Error()]++
}

func (r *shortRun) advance(fd int, events uint32) {
	x := r.open[fd]
	if x.established.IsZero() {
		if err := failed(fd); err != nil {
			r.end(fd, fmt.Errorf("connect: %w", err))
			return
		}
		x.established = time.Now()
		r.connect = append(r.connect, x.established.Sub(x.began))
		if _, err := unix.Write(fd, x.buffer[:requestSize]); err != nil {
			r.end(fd, fmt.Errorf("ask: %w", err))
			return
		}
		if err := r.poll.change(fd, unix.EPOLLIN); err != nil {
			r.end(fd, err)
		}
		return
	}
	for x.got < answerSize {
		n, err := unix.Read(fd, x.buffer[x.got:])
		switch {
		case n > 0:
			if x.got += n; x.got == answerSize {
				r.heard(x)
			}
		case err == unix.EAGAIN:
			return
		case err != nil:
			r.end(fd, fmt.Errorf("answer: %w", err))
			return
		default:
			r.end(fd, errors.New("answer: the connection was closed before it was whole"))
			return
		}
	}
	r.answers.Done++
	r.end(fd, nil)
}

func (r *shortRun) heard(x *exchange) {
	r.reply = append(r.reply, time.Since(x.began))
	a := decodeAnswer(x.buffer[:])
	r.answers.Nodes[a.node]++
	r.seen[a.seen] = true
	if before, known := r.nodeOf[x.client]; known && before != a.node {
		r.split[x.client] = true
	}
	r.nodeOf[x.client] = a.node
}

func (r *shortRun) end(fd int, err error) {
	if err != nil {
		r.answers.Errors[err.Error()]++
	}
	delete(r.open, fd)
	unix.Close(fd)
}

func (r *shortRun) giveUp() {
	for fd, x := range r.open {
		if time.Since(x.began) > patience {
			r.end(fd, fmt.Errorf("no answer within %s", patience))
		}
	}
}
