package mistake

import (
	"fmt"
	"testing"
	"time"

	"spoolgate/firmware/event"
)

// restarted is the program after a restart, which knows of its findings what events
// have told.
func (p *page) restarted() *page {
	p.Helper()
	var r Remembered
	for _, f := range p.told {
		r.Told(f)
	}
	p.Book, p.told = NewBook(), nil
	for _, f := range r.Open() {
		p.Recall(p.now, f)
	}
	return p
}

// again is the page of a book that found a mistake, and was restarted since.
func again(t *testing.T, transparent bool, find func(*page)) *page {
	p := open(t, transparent)
	find(p)
	shown := p.Open("print")
	if len(shown) != 1 {
		t.Fatalf("%+v", shown)
	}
	p.after(time.Minute).restarted()
	if back := p.Open("print"); fmt.Sprint(back) != fmt.Sprint(shown) {
		t.Fatalf("after the restart %+v, was %+v", back, shown)
	}
	find(p) // what is seen again is no news
	return p.want()
}

func TestFindingLastsOverARestartUntilTheFirstGoodSign(t *testing.T) {
	again(t, true, func(p *page) { p.silent(5011).after(8 * time.Second).silent(5012).after(8 * time.Second).silent(21) }).
		served(5011).want("node.replies|notice|come back through this box now").wantOpen()
	again(t, false, func(p *page) { p.silent(5011).after(8 * time.Second).silent(5011).after(8 * time.Second).silent(5011) }).
		opened(5011).after(trial).want("node.firewall|notice|serves MFDs on port 5011 now").wantOpen()
	again(t, false, func(p *page) {
		p.refused(5610).after(8 * time.Second).refused(5610).after(8 * time.Second).refused(5610)
	}).
		served(5011).want().served(5610).want("node.port|notice|serves MFDs on port 5610 now").wantOpen()
	again(t, false, func(p *page) { p.announced("203.0.113.9:2000", false) }).
		announced(node(false).Address.String()+":2000", false).want("node.ftp-address|notice|announces").wantOpen()
	again(t, false, func(p *page) { p.direct(mfd.String()) }).
		after(strayFor - time.Second).want().after(2 * time.Second).want("client.bypass|notice|for a day").wantOpen()
	again(t, false, func(p *page) { p.Busy(p.now, p.n.Place, mfd, Crowd); p.after(crowding) }).
		after(time.Hour).want().wantOpen(event.ClientShared)
	p := again(t, false, func(p *page) {
		for range 40 {
			p.told = append(p.told, p.Checked(p.now, p.n, 5555, false, true)...)
			p.after(5 * time.Second)
		}
	})
	p.told = p.Checked(p.now, p.n, 5555, true, false)
	p.want("node.check|notice|answers its checks on port 5555 now").wantOpen()
}

func TestWhatWasOverBeforeARestartStaysOver(t *testing.T) {
	p := open(t, false).announced("203.0.113.9:2000", false).announced(node(false).Address.String()+":2000", false)
	p.restarted().wantOpen()
}

// A connection that is refused by a node in trouble is none that was served.
func TestNodeInTroubleDoesNotEndWhatWasFoundOfIt(t *testing.T) {
	p := open(t, false).refused(5610).after(8 * time.Second).refused(5610).after(8 * time.Second).refused(5610).want("node.port|warning|5610")
	p.n.UpSince = time.Time{}
	p.opened(5610).refused(5610).after(time.Minute).want().wantOpen(event.NodePort)
}
