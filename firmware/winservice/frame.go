package winservice

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"spoolgate/firmware/api"
)

// frames reads along what a server sends, for two things that the library lets pass:
//
//   - A server that lets anybody in as a guest does not sign (MS-SMB2 3.2.5.3), and
//     the library then asks for no signatures, although told to: whoever answers
//     for the server's address could say "running" without knowing the password.
//   - It makes room for a frame before it has come, up to 16 MiB.
type frames struct {
	length []byte // of the frame, as far as it has come
	head   []byte // of the frame
	left   int    // bytes of the frame to come
	seen   int    // frames
}

// Sizes in bytes. The largest frame that we ask for is a part of the list of
// services, and a little more.
const (
	lengthSize = 4
	headSize   = 68 // an SMB2 header and the flags of a session setup response
	mostFrame  = 1 << 20
)

func (f *frames) read(b []byte) error {
	for len(b) > 0 {
		if len(f.length) < lengthSize {
			n := min(len(b), lengthSize-len(f.length))
			f.length, b = append(f.length, b[:n]...), b[n:]
			if len(f.length) == lengthSize {
				f.left = int(binary.BigEndian.Uint32(f.length))
			}
			if f.left > mostFrame {
				return &Failure{api.WindowsProtocolError, fmt.Sprintf("a frame of %d bytes", f.left)}
			}
		}
		n := min(len(b), f.left)
		f.head = append(f.head, b[:min(n, headSize-len(f.head))]...)
		f.left, b = f.left-n, b[n:]
		if f.left > 0 || len(f.length) < lengthSize {
			return nil
		}
		if guest(f.head) {
			return &Failure{api.WindowsInsecure, "the node lets the account in as a guest, whatever the password, and signs nothing"}
		}
		f.seen++
		f.length, f.head = f.length[:0], f.head[:0]
	}
	return nil
}

// guest reports whether a frame is the successful end of a login, of nobody known.
func guest(frame []byte) bool {
	const (
		sessionSetup   = 1
		guestOrNobody  = 0x1 | 0x2
		statusOffset   = 8
		commandOffset  = 12
		settingsOffset = 66
	)
	return len(frame) >= headSize && bytes.HasPrefix(frame, []byte("\xfeSMB")) &&
		binary.LittleEndian.Uint16(frame[commandOffset:]) == sessionSetup &&
		binary.LittleEndian.Uint32(frame[statusOffset:]) == 0 &&
		binary.LittleEndian.Uint16(frame[settingsOffset:])&guestOrNobody != 0
}
