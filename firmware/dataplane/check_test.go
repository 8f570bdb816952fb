package dataplane

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

func (s *site) check(want Condition) {
	s.t.Helper()
	got, err := s.table.Check()
	s.must(err)
	if got != want {
		s.t.Errorf("the table is found to be %d, want %d", got, want)
	}
}

func TestOwnChangesAreNobodyElses(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.serve(group(2))
	s.visit(printer(0), 5011)
	s.must(s.table.Bind([]Binding{{vip, printer(1), 1, time.Hour}}))
	s.must(s.table.Forget([]Binding{{VirtualAddress: vip, Client: printer(1)}}))
	s.must(s.table.Wait([]Mark{1}))
	s.must(s.table.Wait(nil))
	s.deal(2, 1)
	s.check(Untouched)
	s.nft("add table ip somebody")
	s.deal(2, 1) // which is in place already: a change of ours that the kernel may not count
	s.must(s.table.Wait(nil))
	s.check(Touched)
	s.check(Untouched)
}

// Whatever an outsider does, a layout applied after it makes the table whole.
func TestTableThatSomebodyElseRemovedIsMadeAnew(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		want    Condition
	}{
		"flush ruleset": {"flush ruleset", Lost},
		"flush table":   {"flush table ip spoolgate", Lost},
		"delete table":  {"delete table ip spoolgate", Lost},
		"a node":        {"delete element ip spoolgate up { 1 }", Lost},
		"a spare node":  {"flush map ip spoolgate spare", Lost},
		"a set":         {"flush chain ip spoolgate input; flush chain ip spoolgate departures; delete set ip spoolgate flying", Lost},
		"one rule only": {"flush chain ip spoolgate forget", Touched},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.echo(5011)
			s.serve(group(2))
			before := s.visit(printer(0), 5011)
			rules := s.listing()
			s.nft(c.command)
			s.check(c.want)
			bound, ok := s.binding(printer(0))
			s.serve(group(2))
			if c.want == Lost {
				if !ok {
					bound = Binding{vip, printer(0), before.node, time.Hour}
				}
				s.must(s.table.Bind([]Binding{bound}))
			}
			s.check(Untouched)
			if now := s.listing(); now != rules {
				t.Errorf("made anew as\n%s\nit was\n%s", now, rules)
			}
			if err := before.exchange(); err != nil {
				t.Errorf("an open connection: %v", err)
			}
			if after := s.visit(printer(0), 5011); after.node != before.node {
				t.Errorf("was on node %d, is on node %d", before.node, after.node)
			}
		})
	}
}

// A reload may come between the loss and the next Check: what it began is not sent later.
func TestLayoutThatFailsOnALostTableLeavesNothingBehind(t *testing.T) {
	s := newSite(t)
	s.echo(5011)
	s.serve(group(2))
	s.nft("flush ruleset")
	layout := Layout{Groups: []Group{group(2)}}
	if err := s.table.Apply(layout); err == nil {
		t.Error("a layout is applied to a table that is gone")
	}
	s.check(Lost)
	s.must(s.table.Make(layout, Contents{Up: []Mark{1, 2}, Plans: map[netip.Addr][]Mark{vip: {1, 2}}}))
	s.visit(printer(0), 5011)
}

func TestTableIsCalledLostOnlyAtTheSecondLook(t *testing.T) {
	whole := kernel{exists: true, nodes: map[Mark]netip.Addr{1: printer(1)}, up: map[Mark]bool{1: true}}
	half := kernel{exists: true, nodes: map[Mark]netip.Addr{1: printer(1)}}
	type look struct {
		is  kernel
		err error
	}
	failed := look{half, errors.New("dump interrupted")}
	for name, c := range map[string]struct {
		looks []look
		same  bool
	}{
		"whole":                      {[]look{{is: whole}}, true},
		"can't be read once":         {[]look{failed, {is: whole}}, true},
		"half of it is read once":    {[]look{{is: half}, {is: whole}}, true},
		"can't be read":              {[]look{failed, failed}, false},
		"gone":                       {[]look{{}, {}}, false},
		"a set is gone from it":      {[]look{{is: half}, {is: half}}, false},
		"can't be read, and changed": {[]look{failed, {is: half}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			next := 0
			is, same := lookTwice(func() (kernel, error) {
				next++
				return c.looks[next-1].is, c.looks[next-1].err
			}, whole.equal)
			if same != c.same || next != len(c.looks) || same != is.equal(whole) {
				t.Errorf("after %d looks: %+v, the same: %v", next, is, same)
			}
		})
	}
}
