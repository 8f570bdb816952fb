package dataplane

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"spoolgate/firmware/config"
	"spoolgate/tools/lab/flood"
)

// workers keep a box busy; the first connection of each stays open.
const workers = 8

// busy has printers connect over and over until not all of that is told, and goes on.
func (s *site) busy() (stop func()) {
	s.t.Helper()
	stop = s.working(workers)
	if !within(20*time.Second, s.unsaidNow) {
		s.t.Fatalf("every connection is told, at more than %d a second", toldPerSecond)
	}
	return stop
}

// unsaidNow tells whether the kernel has connections whose beginning was unsaid.
func (s *site) unsaidNow() (some bool) {
	s.t.Helper()
	s.must(s.table.conntrack.dump(filter{unsaid, unsaid}, func(c *connection) { some = some || c.ours() }))
	return some
}

// hold opens connections of one printer to port 5011, which last.
func (s *site) hold(n int) (open []*visit) {
	s.t.Helper()
	for range n {
		open = append(open, s.visit(printer(100), 5011))
	}
	return open
}

func TestABusyBoxTellsOfWhatLasts(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	c := s.track(0)
	known := s.visit(printer(100), 5011)
	stop := s.busy()
	var lasting []*visit
	for i := range 40 {
		lasting = append(lasting, s.visit(printer(100+i%20), 5011)) // bound by the first, and one of them before
	}
	if !within(10*time.Second, func() bool { return c.openAt(5011) == 41 }) {
		t.Errorf("%d of 41 connections that last were told", c.openAt(5011))
	}
	for _, v := range lasting[:15] {
		v.Close()
	}
	if !within(10*time.Second, func() bool { return c.openAt(5011) == 26 }) {
		t.Errorf("%d connections are counted, 26 are open", c.openAt(5011))
	}
	stop()
	for _, v := range append(lasting, known) {
		v.Close()
	}
	c.settles(t, workers)
	if _, _, resyncs := c.counts(); resyncs != 1 {
		t.Errorf("that took %d resyncs, want the first one alone", resyncs)
	}
}

func TestABusyBoxTellsOfNewClientsAndOfThoseWhoAreNotServed(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012, 5013)
	s.serve(group(3))
	c := s.track(0)
	defer s.busy()()
	var want []netip.Addr
	s.each(100, func(i int) error {
		v, err := s.dial(printer(150+i), vip, 5013)
		if err != nil {
			return err
		}
		return v.Close()
	})
	for i := range 100 {
		want = append(want, printer(150+i))
	}
	heard := func() (clients []netip.Addr) {
		for _, ev := range append(c.told(5013), c.boundNow()...) {
			if m, bound := s.binding(ev.Client); bound && m.Mark == ev.Mark {
				clients = append(clients, ev.Client)
			}
		}
		slices.SortFunc(clients, netip.Addr.Compare)
		return clients
	}
	if !within(10*time.Second, func() bool { return slices.Equal(heard(), want) }) {
		t.Errorf("of 100 new clients %d were told, each where it is", len(heard()))
	}
	if len(c.boundNow()) == 0 {
		t.Error("more was told of each")
	}
	s.each(100, func(i int) error {
		if v, err := s.dial(printer(150+i), vip, 5014); err == nil {
			v.Close()
			t.Error("nobody listens there")
		}
		return nil
	})
	refused := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.unserved[5014])
	}
	if !within(10*time.Second, func() bool { return refused() >= 100 }) {
		t.Errorf("of 100 refusals %d were told", refused())
	}
}

// Data connections of FTP begin with the notes of the one that announced them.
func TestABusyBoxTellsOfFTPDataOfNewClients(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(1))
	s.deal(1)
	s.vsftpd(1, config.PortRange{})
	c := s.track(0)
	defer s.busy()()
	const scans = 5
	for i := range scans {
		f := s.login(printer(100 + i))
		data := f.data("PASV")
		s.t.Cleanup(func() { data.Close() })
	}
	data := func() (clients []netip.Addr) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, ev := range c.ever {
			if ev.Related {
				clients = append(clients, ev.Client)
			}
		}
		return clients
	}
	if !within(5*time.Second, func() bool { return len(data()) == scans }) {
		t.Errorf("of %d data connections %d were told", scans, len(data()))
	}
	if !slices.ContainsFunc(c.boundNow(), func(ev Event) bool { return ev.Port == 21 && slices.Contains(data(), ev.Client) }) {
		t.Error("all was told of each client")
	}
	if slices.ContainsFunc(c.boundNow(), func(ev Event) bool { return ev.Related }) {
		t.Error("a data connection has bound its client")
	}
}

// Made-up addresses look like new clients; their own machines deny that they called.
func TestABusyBoxTellsOfNewClientsThatDoNotConfirm(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	c := s.track(0)
	defer s.busy()()
	denied := netip.MustParsePrefix("198.18.1.160/27")
	s.must(flood.Send(s.printers, denied, 32, netip.AddrPortFrom(vip, 5011)))
	unconfirmed := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		clients := map[netip.Addr]bool{}
		for _, ev := range c.unconfirmed {
			if denied.Contains(ev.Client) {
				clients[ev.Client] = true
			}
		}
		return len(clients)
	}
	if !within(5*time.Second, func() bool { return unconfirmed() == 32 }) {
		t.Errorf("of 32 clients that do not confirm %d were told", unconfirmed())
	}
	if len(c.boundNow()) == 0 {
		t.Error("the beginning of each was told")
	}
}

// Who is answered only when it asks again is one that lasts, and one complaint.
func TestABusyBoxTellsOfWhatIsAnsweredLate(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	s.visit(printer(100), 5012).Close()
	c := s.track(0)
	stop := s.busy()
	defer stop()
	s.visit(printer(100), 5012).Close() // told of, for a minute
	for _, n := range s.nodes {
		_, err := n.Output("nft", "table ip deaf { chain in { type filter hook input priority 0; tcp dport 5011 drop; }; }")
		s.must(err)
	}
	const calls = 20
	answered := make(chan *visit, calls)
	for range calls {
		go func() {
			v, err := s.dial(printer(100), vip, 5011)
			if err != nil {
				t.Error(err)
			}
			answered <- v
		}()
	}
	complaints := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.unserved[5011])
	}
	if !within(5*time.Second, func() bool { return complaints() == calls }) {
		t.Errorf("of %d clients that ask again %d were told", calls, complaints())
	}
	for _, n := range s.nodes {
		_, err := n.Output("nft", "delete table ip deaf")
		s.must(err)
	}
	for range calls {
		if v := <-answered; v != nil {
			defer v.Close()
		}
	}
	if !within(10*time.Second, func() bool { return c.openAt(5011) == calls }) {
		t.Errorf("%d of %d connections that last were told", c.openAt(5011), calls)
	}
	if complaints() != calls {
		t.Errorf("%d clients that asked again were told %d times", calls, complaints())
	}
}

// Whoever calls is told of at least once a minute, so that nobody is taken for gone.
func TestABusyBoxTellsOfEachClientNowAndThen(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	for i := range 50 {
		s.visit(printer(100+i), 5012).Close()
	}
	c := s.track(0)
	stop := s.busy()
	call := func() {
		s.each(50, func(i int) error {
			v, err := s.dial(printer(100+i), vip, 5011)
			if err != nil {
				return err
			}
			return v.Close()
		})
	}
	call()
	if !within(10*time.Second, func() bool { return len(c.told(5011)) == 50 }) {
		t.Fatalf("of 50 clients %d were told", len(c.told(5011)))
	}
	before := len(c.told(5011))
	for range 4 {
		call()
	}
	stop()
	c.settles(t, workers)
	if told := len(c.told(5011)) - before; told >= 200 {
		t.Error("each of 200 further calls within the minute was told")
	}
}

// Or a client that opens very many would have them long before it is limited.
func TestABusyBoxTellsAtOnceOfAClientThatOpensMany(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	s.visit(printer(100), 5012).Close()
	stop := s.busy()
	defer stop()
	began := time.Now()
	const opened = 2000
	s.each(opened, func(int) error {
		v, err := s.dial(printer(100), vip, 5011)
		if err == nil {
			s.t.Cleanup(func() { v.Close() })
		}
		return err
	})
	quiet := 0
	s.must(s.table.conntrack.dump(filter{unsaid, unsaid}, func(c *connection) {
		if c.original.destinationPort == 5011 {
			quiet++
		}
	}))
	if most := toldPerSecond * (2 + int(time.Since(began)/time.Second)); quiet > most {
		t.Errorf("%d of %d connections that one client has opened are unsaid, want at most %d", quiet, opened, most)
	}
}

func TestWhatBeganUnsaidIsFoundByTheNextTracker(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	s.visit(printer(100), 5012).Close()
	stop := s.busy()
	s.hold(30)
	c := s.track(0)
	if !within(10*time.Second, func() bool { return c.openAt(5011) == 30 }) {
		t.Errorf("%d of 30 connections were told to who listens later", c.openAt(5011))
	}
	stop()
	c.settles(t, 30+workers) // those that were short are not counted for ever
}

// Between the FIN of the second end and its acknowledgement the kernel calls a connection
// open. Nothing tells any more of one that was short.
func TestWhatIsOverUnsaidIsNotOpenForTheNextTracker(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	s.visit(printer(100), 5012).Close()
	stop := s.busy()
	all := s.hold(30)
	_, err := s.printers.Output("nft", "table ip lost { chain out { type filter hook output priority 0; tcp dport 5011 tcp flags & (fin | syn | rst | psh | ack) == ack drop; }; }")
	s.must(err)
	for _, v := range all {
		v.Close()
	}
	stop()
	quiet := 0
	if !within(10*time.Second, func() bool {
		over := 0
		quiet = 0
		s.must(s.table.conntrack.dump(filter{}, func(c *connection) {
			if c.original.destinationPort != 5011 {
				return
			}
			if c.notes&hushed != 0 {
				quiet++
			}
			if c.over() || c.notes&hushed != 0 {
				over++
			}
		}))
		return over == len(all)
	}) {
		t.Fatal("the connections do not end")
	}
	if quiet == 0 {
		t.Fatal("the end of each was told")
	}
	if c := s.track(0); c.openAt(5011) != 0 {
		t.Errorf("%d of %d connections that are over are counted open", c.openAt(5011), len(all))
	}
}

// Rules and the tracker write to the mark of a connection at the same time, and one of
// them can lose. What was told of once is told of when it is over.
func TestANoteThatComesBackHidesNoEnd(t *testing.T) {
	s := newSite(t)
	s.echo(5011, 5012)
	s.serve(group(3))
	c := s.track(0)
	s.visit(printer(100), 5012).Close()
	stop := s.busy()
	lasting := s.hold(20)
	if !within(10*time.Second, func() bool { return c.openAt(5011) == len(lasting) }) {
		t.Fatal("connections that last were not told")
	}
	stop()
	var found [][]byte
	s.must(s.table.conntrack.dump(filter{}, func(c *connection) {
		if c.labels&labelSaid != 0 {
			found = append(found, slices.Clone(c.rawOriginal))
		}
	}))
	if len(found) == 0 {
		t.Fatal("none of them began unsaid")
	}
	s.must(s.table.conntrack.change(ctNew, found,
		func(body []byte, _ int) []byte {
			return append(body, markAttributes(nil, filter{unsaid, unsaid})...)
		},
		func(failed error) error { return failed }))
	for _, v := range lasting {
		v.Close()
	}
	c.settles(t, workers)
}
