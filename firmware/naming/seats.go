package naming

import (
	"net"
	"net/netip"
	"sync"
)

const (
	// mostTCP bounds the connections at an address, and mostOfOne those of one asker.
	mostTCP   = 64
	mostOfOne = 8
)

// seats are the connections at an address. One too many takes the seat of the one
// that was silent longest, so that whoever opens connections and asks nothing keeps
// nobody from asking.
type seats struct {
	mu    sync.Mutex
	taken []*seat // the one that was silent longest first
}

type seat struct {
	conn  net.Conn
	asker netip.Addr
}

func (s *seats) take(c net.Conn, asker netip.Addr) *seat {
	mine := &seat{c, asker}
	s.mu.Lock()
	defer s.mu.Unlock()
	ofOne := 0
	for _, t := range s.taken {
		if t.asker == mine.asker {
			ofOne++
		}
	}
	for i, t := range s.taken {
		if ofOne >= mostOfOne && t.asker == mine.asker || ofOne < mostOfOne && len(s.taken) >= mostTCP {
			s.remove(i)
			break
		}
	}
	s.taken = append(s.taken, mine)
	return mine
}

// use notes that the connection is not silent.
func (s *seats) use(mine *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.taken {
		if t == mine {
			s.taken = append(append(s.taken[:i], s.taken[i+1:]...), mine)
			return
		}
	}
}

func (s *seats) leave(mine *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.taken {
		if t == mine {
			s.remove(i)
			return
		}
	}
	mine.conn.Close()
}

func (s *seats) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.taken) > 0 {
		s.remove(0)
	}
}

// remove ends the connection of the i-th seat.
func (s *seats) remove(i int) {
	s.taken[i].conn.Close()
	s.taken = append(s.taken[:i], s.taken[i+1:]...)
}
