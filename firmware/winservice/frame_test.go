package winservice

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"spoolgate/firmware/api"
)

// framed is a frame on the wire.
func framed(frame string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(frame)))) + frame
}

// loggedIn is the end of a login with these session flags.
func loggedIn(flags byte) string {
	frame := []byte("\xfeSMB" + strings.Repeat("\x00", 70))
	frame[12], frame[66] = 1, flags
	return framed(string(frame))
}

func TestGuestIsFoundHoweverTheBytesCome(t *testing.T) {
	for flags, wrong := range map[byte]bool{0: false, 1: true, 2: true, 4: false} {
		stream := framed("") + framed("short") + framed(strings.Repeat("\xfeSMB long", 100)) + loggedIn(flags) + framed("more")
		for size := 1; size <= len(stream); size++ {
			f := &frames{}
			var err error
			for at := 0; at < len(stream) && err == nil; at += size {
				err = f.read([]byte(stream[at:min(at+size, len(stream))]))
			}
			var failure *Failure
			if errors.As(err, &failure) != wrong || wrong && failure.State != api.WindowsInsecure || !wrong && f.seen != 5 {
				t.Fatalf("flags %d in pieces of %d: %v, %d frames", flags, size, err, f.seen)
			}
		}
	}
}

func TestHugeFrameIsRefusedBeforeItComes(t *testing.T) {
	f := &frames{}
	if err := f.read([]byte{0, 0xff, 0xff, 0xff}); err == nil {
		t.Error("16 MiB are waited for")
	}
}

// FuzzDecode holds that a list of services, whoever wrote it, is read or refused.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x24\x00\x00\x00\x28\x00\x00\x00"+strings.Repeat("\x00", 28)+"S\x00\x00\x00D\x00\x00\x00"), uint32(1))
	f.Add([]byte{}, uint32(1<<31))
	f.Fuzz(func(t *testing.T, b []byte, count uint32) {
		got, err := decode(b, count)
		if err == nil && len(got) != int(count) {
			t.Fatalf("%d of %d", len(got), count)
		}
	})
}
