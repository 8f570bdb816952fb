package dataplane

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"spoolgate/firmware/config"
)

// seen is what the witness has shown.
type seen struct {
	mu  sync.Mutex
	all []Sighting
}

func (w *seen) add(s Sighting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, s)
}

func (w *seen) has(is func(Sighting) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.all {
		if is(s) {
			return true
		}
	}
	return false
}

func (s *site) witness() *seen {
	s.t.Helper()
	var w *Witness
	s.must(s.box.Do(func() error {
		var err error
		w, err = NewWitness()
		return err
	}))
	saw := &seen{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx, saw.add) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
		w.Close()
	})
	return saw
}

// TestWitnessSeesWhatAnFTPServerAnnouncesBeforeTheHelperDoes: the helper makes the
// virtual address of the node's own address and leaves any other as it is, so that
// the printer is sent astray.
func TestWitnessSeesWhatAnFTPServerAnnouncesBeforeTheHelperDoes(t *testing.T) {
	for name, ports := range map[string][]uint16{"one port": {21}, "several ports": {20, 21}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			g := group(2)
			g.FTPPorts = ports
			s.serve(g)
			s.vsftpd(1, config.PortRange{})
			s.vsftpd(2, config.PortRange{}, "pasv_address=203.0.113.9")
			saw := s.witness()
			announced := map[netip.Addr]bool{}
			sessions := []*session{s.login(printer(0)), s.login(printer(1))}
			for _, f := range sessions {
				announced[f.passive("PASV").Addr()] = true
			}
			if wrong := netip.MustParseAddr("203.0.113.9"); !announced[vip] || !announced[wrong] {
				t.Fatalf("printers were told %v", announced)
			}
			for i, want := range map[int]netip.Addr{1: nodeAddr(1), 2: netip.MustParseAddr("203.0.113.9")} {
				if !within(5*time.Second, func() bool {
					for _, f := range sessions { // again: the witness may only have begun
						f.passive("PASV")
					}
					return saw.has(func(s Sighting) bool {
						return s.Node == netip.AddrPortFrom(nodeAddr(i), 21) && s.Announced.Addr() == want && s.Announced.Port() > 1023
					})
				}) {
					t.Errorf("the announcement of node %d was not seen: %+v", i, saw.all)
				}
			}
		})
	}
}

func TestWitnessSeesPrintersThatTalkToANodesOwnAddress(t *testing.T) {
	for name, masked := range map[string]bool{"masked": true, "transparent": false} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.echo(5011)
			g := group(2)
			g.Masked = masked
			s.serve(g)
			saw := s.witness()
			s.visit(printer(1), 5011)
			direct := Sighting{Node: netip.AddrPortFrom(nodeAddr(1), 5011), Client: printer(0)}
			if !within(5*time.Second, func() bool { // again: the witness may only have begun
				v, err := s.dial(printer(0), nodeAddr(1), 5011)
				if (err == nil) == masked {
					t.Errorf("a printer at the node's own address: %v; the box is the way there for transparent nodes only", err)
				}
				if err == nil {
					v.Close()
				}
				return saw.has(func(s Sighting) bool { return s == direct })
			}) {
				t.Errorf("seen is %+v", saw.all)
			}
			if saw.has(func(s Sighting) bool { return s.Client == printer(1) }) {
				t.Error("a printer at the virtual address was shown")
			}
		})
	}
}

func TestPassiveReplyIsReadAsClientsReadIt(t *testing.T) {
	for line, want := range map[string]string{
		"227 Entering Passive Mode (192,0,2,7,195,80).\r\n": "192.0.2.7:50000",
		"227 =192,0,2,7,0,21":                               "192.0.2.7:21",
		"227 Entering Passive Mode. 10,1,2,3,255,255\r\n":   "10.1.2.3:65535",
		"227 Entering Passive Mode (192,0,2,":               "",
		"227 Entering Passive Mode (192,0,2,300,1,1)":       "",
		"227 ok":                              "",
		"227":                                 "",
		"226 Transfer complete (1,2,3,4,5,6)": "",
	} {
		got, ok := parsePassiveReply(line)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q: %s, %v, want %q", line, got, ok, want)
		}
	}
}

// FuzzSighting: no packet brings the reader down.
func FuzzSighting(f *testing.F) {
	f.Add([]byte("\x45\x00\x00\x50\x00\x00\x40\x00\x40\x06\x00\x00\xc6\x13\x00\x0b\xc6\x12\x01\x01" +
		"\x00\x15\x9c\x40\x00\x00\x00\x01\x00\x00\x00\x01\x50\x18\x00\x00\x00\x00\x00\x00227 (198,19,0,11,195,80)\r\n"))
	f.Add([]byte{0x4f, 0})
	f.Fuzz(func(t *testing.T, packet []byte) {
		s, ok := parseSighting(packet)
		if ok && (!s.Node.IsValid() || s.Client.IsValid() == s.Announced.IsValid()) {
			t.Errorf("%x: %+v", packet, s)
		}
	})
}
