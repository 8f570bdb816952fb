package hal

import (
	"io/fs"
	"path"
	"testing"
	"testing/fstest"
	"time"

	"spoolgate/board"
)

func nicTree(devices map[string][2]string) fstest.MapFS {
	sys := fstest.MapFS{}
	for name, d := range devices {
		link := &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("../../devices/" + d[0] + "/net/" + name)}
		sys["class/net/"+name] = link
		if d[1] != "" {
			sys["devices/"+d[0]+"/net/"+name+"/device"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("../../../" + path.Base(d[0]))}
			sys["devices/"+d[0]+"/driver"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("../../../bus/drivers/" + d[1])}
		}
	}
	return sys
}

func TestInterfacesAreKnownByTheirPlaceWhateverTheirName(t *testing.T) {
	cm4 := board.CM4()
	for _, c := range []struct {
		name    string
		devices map[string][2]string
		board   board.Board
		want    NICs
	}{
		{"virt, names swapped", map[string][2]string{
			"eth1": {"pci0000:00/0000:00:02.0/virtio0", "virtio_net"},
			"eth0": {"pci0000:00/0000:00:03.0/virtio1", "virtio_net"},
			"lo":   {"virtual", ""},
		}, board.Virt(), NICs{Service: "eth1", Management: "eth0"}},
		{"already named", map[string][2]string{
			"service":    {"pci0000:00/0000:00:02.0/virtio0", "virtio_net"},
			"management": {"pci0000:00/0000:00:03.0/virtio1", "virtio_net"},
		}, board.Virt(), NICs{Service: "service", Management: "management"}},
		{"cm4 with a Realtek card", map[string][2]string{
			"eth0": {"platform/scb/fd580000.ethernet", "bcmgenet"},
			"eth1": {"platform/scb/fd500000.pcie/pci0000:00/0000:01:00.0", "r8169"},
		}, cm4, NICs{Service: "eth0", Management: "eth1"}},
		{"cm4 alone", map[string][2]string{
			"eth0": {"platform/scb/fd580000.ethernet", "bcmgenet"},
		}, cm4, NICs{Service: "eth0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := FindNICs(nicTree(c.devices), c.board)
			if err != nil || got != c.want {
				t.Errorf("found %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestFakeWatchdogBitesWhoFeedsTooLate(t *testing.T) {
	now := time.Unix(0, 0)
	w := NewFakeWatchdog(10*time.Second, true, func() time.Time { return now })
	for range 3 {
		now = now.Add(9 * time.Second)
		if err := w.Feed(); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(10 * time.Second)
	if err := w.Feed(); err == nil || !w.Fired() {
		t.Error("it did not bite")
	}
	if !w.ResetBefore() {
		t.Error("it forgot the reset")
	}
}
