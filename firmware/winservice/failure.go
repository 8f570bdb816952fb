package winservice

import (
	"errors"
	"fmt"
	"os"
	"strings"

	smb "github.com/oiweiwei/go-smb2.fork"

	"spoolgate/firmware/api"
)

// Failure says why a server does not tell the states of its services.
type Failure struct {
	State  api.WindowsState
	Detail string
}

func (f *Failure) Error() string {
	if f.Detail == "" {
		return string(f.State)
	}
	return fmt.Sprintf("%s (%s)", f.State, f.Detail)
}

// statuses are the answers of SMB to a login (NTSTATUS, MS-ERREF 2.3.1) that say
// more than that it failed.
var statuses = map[uint32]Failure{
	0xc000006d: {api.WindowsWrongPassword, ""}, // says nothing of which of the two is wrong
	0xc0000064: {api.WindowsWrongPassword, "there is no such account"},
	0xc000006a: {api.WindowsWrongPassword, ""},
	0xc0000071: {api.WindowsAccessDenied, "the password has expired"},
	0xc0000224: {api.WindowsAccessDenied, "the password must be changed at the first login"},
	0xc0000072: {api.WindowsAccessDenied, "the account is disabled"},
	0xc0000193: {api.WindowsAccessDenied, "the account has expired"},
	0xc0000234: {api.WindowsAccessDenied, "the account is locked out"},
	0xc000006e: {api.WindowsAccessDenied, "a restriction of the account forbids the login"},
	0xc000006f: {api.WindowsAccessDenied, "the account may not log in at this hour"},
	0xc0000070: {api.WindowsAccessDenied, "the account may not log in from here"},
	0xc000015b: {api.WindowsAccessDenied, `the account lacks the right "Access this computer from the network"`},
	0xc0000418: {api.WindowsAccessDenied, "the node refuses NTLM"},
	0xc0000022: {api.WindowsAccessDenied, ""},
	0xc000005e: {api.WindowsAccessDenied, "the node finds no domain controller to check the password"},
	0xc00000bb: {api.WindowsInsecure, "the node and this box have no version of SMB in common"},
}

// judge gives an error of the library its word.
func judge(err error) error {
	var known *Failure
	if errors.As(err, &known) {
		return known
	}
	if security(err) {
		return &Failure{api.WindowsInsecure, tail(err)}
	}
	var response *smb.ResponseError
	if errors.As(err, &response) {
		if f, ok := statuses[response.Code]; ok {
			return &f
		}
	}
	if errors.Is(err, os.ErrPermission) {
		return &Failure{api.WindowsAccessDenied, "the account may not use " + `IPC$\svcctl`}
	}
	return &Failure{api.WindowsProtocolError, tail(err)}
}

// security reports whether both sides found no common ground on signing or
// encryption. The library has no type for that, only these sentences. A server
// that insists on encryption says "access denied" to a login without; to a wrong
// password it says so (MS-SMB2 3.3.5.5).
func security(err error) bool {
	text := err.Error()
	for _, sentence := range []string{
		"doesn't support signing", // it let us in as a guest
		"signing required",
		"unverified packet",
		"unknown cipher algorithm",
		"unknown hash algorithm",
	} {
		if strings.Contains(text, sentence) {
			return true
		}
	}
	return errors.Is(err, os.ErrPermission) && strings.Contains(text, "open smb session")
}

// tail is the last part of a long chain of errors.
func tail(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "error: "); i >= 0 {
		return text[i+len("error: "):]
	}
	return cause(err)
}

// managerError is what the Service Control Manager answered instead of opening.
func managerError(code uint32) error {
	if code == accessDenied {
		return &Failure{api.WindowsAccessDenied, "the account may not connect to the Service Control Manager"}
	}
	return &Failure{api.WindowsProtocolError, fmt.Sprintf("the Service Control Manager answers error %d", code)}
}

// Error codes of Windows, MS-ERREF 2.2.
const (
	accessDenied  = 5
	moreData      = 234
	noSuchService = 1060
)
