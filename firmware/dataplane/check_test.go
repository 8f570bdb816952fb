package dataplane

import (
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
