package receiver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// What a management station knows.
const (
	TrapPort        = 2162
	Community       = "print-office"
	TrapUser        = "spoolgate"
	AuthPassword    = "auth-password"
	PrivacyPassword = "privacy-password"
)

// Station is snmptrapd.
type Station struct {
	*Server
	modules []string
}

// NewStation makes a station that does not run yet. It reads its modules in the
// folders named, and knows the user of engine, in hexadecimal digits, as one who
// signs and encrypts with these algorithms; and the same user of its own engine, for
// informs.
func NewStation(modules []string, engine, auth, privacy string) (*Station, error) {
	s, err := newServer("station")
	if err != nil {
		return nil, err
	}
	user := fmt.Sprintf("%s %s %s %s %s\n", TrapUser, auth, AuthPassword, privacy, PrivacyPassword)
	text := "authCommunity log " + Community + "\nauthUser log " + TrapUser + " priv\ncreateUser -e 0x" + engine + " " + user + "createUser " + user
	return &Station{s, modules}, os.WriteFile(filepath.Join(s.dir, "snmptrapd.conf"), []byte(text), 0o644)
}

// Start begins to serve, anew after a Stop.
func (s *Station) Start() error {
	cmd := exec.Command("/usr/sbin/snmptrapd", "-f", "-n", "-C", "-c", filepath.Join(s.dir, "snmptrapd.conf"), "-Lf", filepath.Join(s.dir, "traps"),
		"-M", strings.Join(s.modules, ":"), "-m", "SPOOLGATE-MIB", "-p", filepath.Join(s.dir, "pid"), fmt.Sprintf("udp:%s:%d", s.Address, TrapPort))
	cmd.Env = append(os.Environ(), "SNMP_PERSISTENT_DIR="+s.dir)
	return s.run(cmd, port{"udp", TrapPort})
}

// Traps returns what came, one notification after the other, as the station
// understood it by its modules.
func (s *Station) Traps() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "traps"))
	return string(text)
}

// Await returns the traps when want is among them.
func (s *Station) Await(want string) (string, error) {
	return await(s.Traps, func(text string) bool { return strings.Contains(text, want) })
}
