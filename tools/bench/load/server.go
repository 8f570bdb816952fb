package load

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	// requestSize and answerSize are those of a small question, such as a card
	// reader's, and its answer.
	requestSize = 64
	answerSize  = 64
)

// Server says where a server listens, on all addresses of its namespace.
type Server struct {
	// Ask are ports that answer requests. The client closes: who closes first holds
	// the pair of ports for a minute, and many clients behind one address would find
	// the node's pairs taken.
	Ask []uint16 `json:"ask"`
	// Sink are ports that take all that comes, and say how much it was and, of a stream
	// that asks for it, its sum.
	Sink []uint16 `json:"sink"`
}

// answer says who answers, and as whom the client was seen.
type answer struct{ node, seen netip.Addr }

func (a answer) encode(to []byte) {
	node, seen := a.node.As4(), a.seen.As4()
	copy(to, node[:])
	copy(to[4:], seen[:])
}

func decodeAnswer(b []byte) answer {
	return answer{node: netip.AddrFrom4([4]byte(b[:4])), seen: netip.AddrFrom4([4]byte(b[4:8]))}
}

type server struct {
	poll    *poller
	serves  map[int]bool // listeners; true those that sink
	sinking map[int]*stream
	buffer  []byte
}

// stream is what a sink has taken of one.
type stream struct {
	bytes uint64
	sum   hash.Hash32 // none where it is only counted
}

func (s *stream) take(b []byte) {
	if s.bytes == 0 && b[0] == summed {
		s.sum = newSum()
	}
	if s.bytes += uint64(len(b)); s.sum != nil {
		_, _ = s.sum.Write(b)
	}
}

func (s *stream) took() took {
	t := took{bytes: s.bytes}
	if s.sum != nil {
		t.sum = s.sum.Sum32()
	}
	return t
}

// Serve serves until the context ends. ready is called when it listens.
func (s Server) Serve(ctx context.Context, ready func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := newPoller()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	run := &server{poll: p, serves: map[int]bool{}, sinking: map[int]*stream{}, buffer: make([]byte, 256<<10)}
	for _, ports := range []struct {
		list []uint16
		sink bool
	}{{s.Ask, false}, {s.Sink, true}} {
		for _, port := range ports.list {
			if err := run.listen(port, ports.sink); err != nil {
				return fmt.Errorf("listen on port %d: %w", port, err)
			}
		}
	}
	if err := ready(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		events, err := p.wait(200)
		if err != nil {
			return err
		}
		for _, e := range events {
			run.serve(int(e.Fd))
		}
	}
	return nil
}

func (s *server) listen(port uint16, sink bool) error {
	fd, err := socket()
	if err != nil {
		return err
	}
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(port)}); err != nil {
		return err
	}
	if err := unix.Listen(fd, 4096); err != nil {
		return err
	}
	s.serves[fd] = sink
	return s.poll.add(fd, unix.EPOLLIN)
}

// serve does what a socket is ready for. Whatever a client does wrong ends its
// connection; the client's end counts it.
func (s *server) serve(fd int) {
	if sink, listens := s.serves[fd]; listens {
		s.accept(fd, sink)
		return
	}
	if stream, sinks := s.sinking[fd]; sinks {
		s.sink(fd, stream)
		return
	}
	n, err := unix.Read(fd, s.buffer[:requestSize])
	switch {
	case n == requestSize:
		s.reply(fd)
	case err != unix.EAGAIN:
		unix.Close(fd)
	}
}

func (s *server) accept(listener int, sink bool) {
	for range 64 {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		if sink {
			s.sinking[fd] = &stream{}
		} else if n, _ := unix.Read(fd, s.buffer[:requestSize]); n == requestSize {
			s.reply(fd)
		}
		if s.poll.add(fd, unix.EPOLLIN) != nil {
			unix.Close(fd)
		}
	}
}

func (s *server) reply(fd int) {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return // it has reset the connection meanwhile
	}
	out := make([]byte, answerSize)
	answer{node: address(local), seen: address(peer)}.encode(out)
	_, _ = unix.Write(fd, out)
}

func address(a unix.Sockaddr) netip.Addr {
	if in, ok := a.(*unix.SockaddrInet4); ok {
		return netip.AddrFrom4(in.Addr)
	}
	return netip.IPv4Unspecified()
}

func (s *server) sink(fd int, taking *stream) {
	n, err := unix.Read(fd, s.buffer)
	if n > 0 {
		taking.take(s.buffer[:n])
		return
	}
	if err == unix.EAGAIN {
		return
	}
	if err == nil {
		_, _ = unix.Write(fd, taking.took().encode())
	}
	delete(s.sinking, fd)
	unix.Close(fd)
}
