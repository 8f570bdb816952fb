package mistake

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"spoolgate/firmware/event"
)

// days lets MFDs 0 to n-1 work for some days, once an hour by day; those from first
// on send scans.
func (p *page) days(days, n, first int) *page {
	if p.now.Equal(noon) {
		p.now = noon.Add(12 * time.Hour) // midnight
	}
	for range days {
		for hour := range 24 {
			for i := range n {
				if client := (netip.AddrFrom4([4]byte{198, 18, 1, byte(i)})); hour >= 8 && hour < 18 {
					p.Worked(p.now, "print", client, false)
					p.Worked(p.now, "print", client, i >= first && hour == 12)
				}
			}
			p.now = p.now.Add(time.Hour)
			p.told = append(p.told, p.Tick(p.now)...)
		}
	}
	return p
}

func TestMFDThatSendsNoScansWhileMostOthersDoIsNamed(t *testing.T) {
	p := open(t, false).days(scanless-1, 9, 1).want()
	p.days(1, 9, 1).want("client.scans|warning|MFD 198.18.1.0 has not sent one scan through the virtual address in 5 days of work, and 8 others do").wantOpen(event.ClientScans)
	p.days(3, 9, 1).want()
	p.days(1, 9, 0).want("client.scans|notice|do now").wantOpen()
}

func TestWhereManySendNoScansNobodyIsSuspicious(t *testing.T) {
	open(t, false).days(20, 9, 2).want()
	open(t, false).days(20, 9, 9).want()
	open(t, false).days(20, 3, 1).want()
}

func TestMFDThatIsGoneIsForgotten(t *testing.T) {
	p := open(t, false).days(scanless, 9, 1)
	p.told = nil
	p.after(time.Hour).now = p.now.Add(idle)
	p.told = p.Tick(p.now)
	if p.wantOpen(); len(p.works) != 0 || len(p.told) != 1 || !strings.Contains(p.told[0].Text, "or are gone") {
		t.Errorf("%d are kept, told was %+v", len(p.works), p.told)
	}
}
