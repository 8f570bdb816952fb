package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/secret"
	"spoolgate/firmware/supervise"
)

const (
	runPath    = "/run/spoolgate"
	notifyDir  = runPath + "/notify"
	configPath = dataPath + "/config.toml"
	shellPath  = "/bin/gosh"
	patience   = 10 * time.Second // between two signs of life of a daemon
)

// service is a daemon before its names are looked up.
type service struct {
	name     string // of the user, the group and the program too
	args     []string
	groups   []string
	caps     []supervise.Cap
	sockets  []supervise.Socket
	state    bool // has a folder of its own on the data partition
	critical bool
	asks     []string // what it may ask of the box, see supervise.Spec
}

// services are the daemons of the box in the order of their start. webDevice
// is the interface that people come in by; the web UI hears no other, not even
// before netd has given it an address.
func services(webDevice string) []service {
	own := func(name string) supervise.Socket {
		return supervise.Socket{Name: name, Network: "unix", Address: filepath.Join(runPath, name+".sock"), Mode: 0o660}
	}
	web := func(name, port string) supervise.Socket {
		return supervise.Socket{Name: name, Network: "tcp", Address: ":" + port, Device: webDevice}
	}
	return []service{
		{
			name: "netd", critical: true, state: true,
			// resolv.conf is new at every start.
			args:    []string{"-config", configPath, "-kept", keptConfig, "-state", "/run/netd", "-service", serviceNIC, "-management", managementNIC},
			caps:    []supervise.Cap{supervise.NetAdmin, supervise.NetRaw},
			sockets: []supervise.Socket{own("netd")},
		},
		{
			name: "balancerd", critical: true, state: true, groups: []string{keyGroup},
			args:    []string{"-config", configPath, "-state", stateOf("balancerd")},
			caps:    []supervise.Cap{supervise.NetAdmin, supervise.NetRaw, supervise.NetBindService},
			sockets: []supervise.Socket{own("balancerd")},
		},
		{
			name: panelDaemon, groups: []string{"gpio"},
			asks:    []string{api.FactoryReset},
			sockets: []supervise.Socket{own("paneld")},
		},
		{
			name: "reportd", state: true, groups: []string{keyGroup},
			args:    []string{"-config", configPath, "-state", stateOf("reportd"), "-key", secret.DefaultPath},
			sockets: []supervise.Socket{own("reportd")},
		},
		{
			name: "webd", state: true,
			args:    []string{"-state", stateOf("webd")},
			sockets: []supervise.Socket{web("https", "443"), web("http", "80")},
		},
	}
}

// keptConfig is netd's copy of the last good configuration.
var keptConfig = filepath.Join(stateOf("netd"), "config.toml")

func stateOf(name string) string { return filepath.Join(dataPath, name) }

// describeServices turns the daemons that the image has into orders for the
// supervisor, and adds the technician's shell on the serial console.
func (b *box) describeServices() error {
	device, err := b.webDevice()
	if err != nil {
		b.problem(err.Error() + ": the web UI is reached without the VLAN only")
	}
	for _, s := range services(device) {
		spec, err := s.spec()
		if err != nil {
			return err
		}
		if _, err := os.Stat(spec.Argv[0]); errors.Is(err, fs.ErrNotExist) {
			b.problem(fmt.Sprintf("%s is not in this image: nobody does its job", s.name))
			continue
		}
		b.specs = append(b.specs, spec)
	}
	shell, err := b.shell()
	if err != nil {
		b.problem(err.Error() + ": no shell on the console")
		return nil
	}
	b.specs = append(b.specs, shell)
	return nil
}

func (s service) spec() (supervise.Spec, error) {
	uid, gid, err := s.ids()
	if err != nil {
		return supervise.Spec{}, err
	}
	spec := supervise.Spec{
		Name: s.name, Argv: append([]string{"/bin/" + s.name}, s.args...),
		UID: uid, GID: gid, Caps: s.caps, Asks: s.asks, Critical: s.critical,
		Sockets: slices.Clone(s.sockets),
		Timing:  supervise.Timing{Watchdog: patience},
	}
	// Whoever is in group spoolgate may talk to the daemons.
	for _, name := range append([]string{"spoolgate"}, s.groups...) {
		g, err := groupID(name)
		if err != nil {
			return supervise.Spec{}, err
		}
		spec.Groups = append(spec.Groups, g)
	}
	for i := range spec.Sockets {
		spec.Sockets[i].GID = spec.Groups[0]
	}
	return spec, nil
}

func (s service) ids() (uid, gid uint32, err error) {
	u, err := user.Lookup(s.name)
	if err != nil {
		return 0, 0, err
	}
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("user %s: %w", s.name, err)
	}
	gid, err = groupID(s.name)
	return uint32(id), gid, err
}

func groupID(name string) (uint32, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("group %s: %w", name, err)
	}
	return uint32(id), nil
}

// shell is what a technician at the serial console gets: whoever holds the
// cable holds the box anyway.
func (b *box) shell() (supervise.Spec, error) {
	tty, err := consoleTTY()
	if err != nil {
		return supervise.Spec{}, err
	}
	return supervise.Spec{
		Name: "console", Argv: []string{shellPath}, Console: tty,
		// dumb: whole lines as the terminal itself edits them, which works on
		// every serial line and every terminal program.
		Env:    []string{"TERM=dumb"},
		Timing: supervise.Timing{FirstDelay: time.Second},
	}, nil
}

// makeFolders makes what the daemons find when they start.
func (b *box) makeFolders() error {
	if err := os.MkdirAll(notifyDir, 0o755); err != nil {
		return err
	}
	for _, s := range services("") {
		uid, gid, err := s.ids()
		if err != nil {
			return err
		}
		// What is in /run is for all to read, such as the name servers.
		folders := map[string]fs.FileMode{filepath.Join("/run", s.name): 0o755}
		if s.state {
			folders[stateOf(s.name)] = 0o750
		}
		for f, mode := range folders {
			if err := os.MkdirAll(f, mode); err != nil {
				return err
			}
			if err := os.Chown(f, int(uid), int(gid)); err != nil {
				return err
			}
		}
	}
	group, err := groupID("gpio")
	if err != nil {
		return err
	}
	return giveGPIO(group)
}
