package winservice

import (
	"errors"
	"fmt"
	"os"
	"testing"

	rpc "github.com/oiweiwei/go-msrpc/dcerpc/errors"
	smb "github.com/oiweiwei/go-smb2.fork"

	"spoolgate/firmware/api"
)

// What Samba cannot be made to say.
func TestErrorsOfTheLibrariesHaveTheirWords(t *testing.T) {
	login := func(code uint32) error {
		return fmt.Errorf("bind: %w", fmt.Errorf("open smb session: %w", &smb.ResponseError{Code: code}))
	}
	for name, tt := range map[string]struct {
		err  error
		want api.WindowsState
	}{
		"wrong password":    {login(0xc000006d), api.WindowsWrongPassword},
		"locked out":        {login(0xc0000234), api.WindowsAccessDenied},
		"NTLM refused":      {login(0xc0000418), api.WindowsAccessDenied},
		"another status":    {login(0xc0000001), api.WindowsProtocolError},
		"no right to pipes": {fmt.Errorf("open file: %w", os.ErrPermission), api.WindowsAccessDenied},
		"RPC fault":         {fmt.Errorf("bind: %w", &rpc.Error{Value: uint32(accessDenied)}), api.WindowsAccessDenied},
		"another RPC fault": {&rpc.Error{Value: uint32(0x1c010003)}, api.WindowsProtocolError},
		"anything else":     {errors.New("nonsense"), api.WindowsProtocolError},
	} {
		var f *Failure
		if err := judge(tt.err); !errors.As(err, &f) || f.State != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}
