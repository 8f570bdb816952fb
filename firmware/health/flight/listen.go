package flight

import "time"

// listen has the socket let through what is watched, and opens it if there is
// none. Probes go on without it.
func (r *Recorder) listen(now time.Time) {
	if age := now.Sub(r.triedAt); r.failed && age >= 0 && age < retryEvery {
		return
	}
	filter, err := r.watched.filter()
	switch {
	case err != nil:
	case r.tap == nil:
		r.tap, err = openTap(filter)
	default:
		err = r.tap.replace(filter)
	}
	if err != nil {
		r.lose(now, err)
		return
	}
	if r.failed {
		r.log.Info("the packets of probes are recorded again")
		r.failed = false
	}
}

// settleFor is how long after the last landing the RST may still wait in the queue
// of an interface that is busy.
const settleFor = 100 * time.Millisecond

// settle has the socket look away from what leaves the box once nothing of a
// probe does any more. The kernel copies each packet that leaves for a socket that
// looks, before its filter sees it: those of the MFDs, too. A round trip of an MFD
// was seen to cost 6 % more CPU time with that, and 2 % without.
func (r *Recorder) settle() {
	if r.settled != nil {
		r.settled.Reset(settleFor)
		return
	}
	r.settled = time.AfterFunc(settleFor, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.inAir == 0 {
			r.seeOutgoing(false)
		}
	})
}

func (r *Recorder) seeOutgoing(see bool) {
	if r.tap == nil {
		return
	}
	if err := r.tap.seeOutgoing(see); err != nil {
		r.lose(r.now(), err)
	}
}

// lose gives the socket up for a while, and tells the first time.
func (r *Recorder) lose(now time.Time, err error) {
	if r.tap != nil {
		// What it says at its end changes nothing: it is lost.
		_ = r.tap.close()
		r.tap = nil
	}
	r.triedAt = now
	if !r.failed {
		r.failed = true
		r.log.Warn("the packets of probes are not recorded; probes go on, and it is tried again with them", "err", err)
	}
}

// collect takes all packets that have come.
func (r *Recorder) collect() {
	for r.tap != nil {
		p, ok, err := r.tap.next()
		if err != nil {
			r.lose(r.now(), err)
			return
		}
		if !ok {
			return
		}
		if s, ok := parse(p.head); ok {
			r.take(p, s)
		}
	}
}

// take gives a packet to its flight, which tells the direction, too.
func (r *Recorder) take(p packet, s segment) {
	if b := r.nodes[s.to.Addr()]; b != nil && b.take(p, s, s.from, s.to.Port(), outward) {
		return
	}
	if b := r.nodes[s.from.Addr()]; b != nil {
		b.take(p, s, s.to, s.from.Port(), inward)
	}
}
