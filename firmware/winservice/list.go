package winservice

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/oiweiwei/go-msrpc/msrpc/scmr/svcctl/v2"

	"spoolgate/firmware/api"
)

// What is listed: services that run in processes, not drivers, in any state.
const (
	anyProcess = 0x10 | 0x20
	anyState   = 3
)

// listSize is the room for one part of the list, in bytes; 256 KiB is the most
// (MS-SCMR 3.1.4.11). maxParts bounds the parts: a server has a few hundred services.
const (
	listSize = 64 << 10
	maxParts = 100
)

// List returns the services that the server has, sorted by the name that Windows
// shows. It asks for one right more than Query, and opens the session anew for it.
func (s *Session) List(ctx context.Context) ([]api.FoundService, error) {
	found, err := retry(ctx, s, managerConnect|managerEnumerate, func(l *link) ([]api.FoundService, error) { return l.list(ctx) })
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b api.FoundService) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Display), strings.ToLower(b.Display)), cmp.Compare(a.Name, b.Name))
	})
	return found, nil
}

func (l *link) list(ctx context.Context) (out []api.FoundService, err error) {
	ctx = context.WithoutCancel(ctx)
	resume := uint32(0)
	for range maxParts {
		part, err := l.manager.EnumServicesStatusW(ctx, &svcctl.EnumServicesStatusWRequest{
			ServiceManager: l.handle, ServiceType: anyProcess, ServiceState: anyState, BufferLength: listSize, ResumeIndex: resume,
		})
		code := returned(part, func(r *svcctl.EnumServicesStatusWResponse) uint32 { return r.Return })
		switch {
		case code == accessDenied:
			return nil, &Failure{api.WindowsAccessDenied, "the account may not list the services"}
		case code != 0 && code != moreData:
			return nil, managerError(code)
		case code == 0 && err != nil:
			return nil, err
		}
		services, err := decode(part.Buffer, part.ServicesReturned)
		if err != nil {
			return nil, &Failure{api.WindowsProtocolError, err.Error()}
		}
		out = append(out, services...)
		if code == 0 {
			return out, nil
		}
		if len(services) == 0 {
			break
		}
		resume = part.ResumeIndex
	}
	return nil, &Failure{api.WindowsProtocolError, "the list of services has no end"}
}

// entrySize is that of an ENUM_SERVICE_STATUSW: two offsets of names from the
// beginning of the buffer, and seven words of state (MS-SCMR 2.2.11).
const entrySize = 36

var errShort = errors.New("the list of services is cut off")

func decode(b []byte, count uint32) ([]api.FoundService, error) {
	if uint64(count)*entrySize > uint64(len(b)) {
		return nil, fmt.Errorf("%d entries in %d bytes: %w", count, len(b), errShort)
	}
	out := make([]api.FoundService, count)
	for i := range out {
		entry := b[i*entrySize:]
		name, err := text(b, binary.LittleEndian.Uint32(entry))
		if err != nil {
			return nil, err
		}
		display, err := text(b, binary.LittleEndian.Uint32(entry[4:]))
		if err != nil {
			return nil, err
		}
		out[i] = api.FoundService{Name: name, Display: display, State: state(binary.LittleEndian.Uint32(entry[12:]))}
	}
	return out, nil
}

// text reads a string that ends with a zero.
func text(b []byte, offset uint32) (string, error) {
	var units []uint16
	for at := uint64(offset); at+2 <= uint64(len(b)); at += 2 {
		unit := binary.LittleEndian.Uint16(b[at:])
		if unit == 0 {
			return string(utf16.Decode(units)), nil
		}
		units = append(units, unit)
	}
	return "", errShort
}
