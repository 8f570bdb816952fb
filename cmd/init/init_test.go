package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/supervise"
)

// PID 1 must not hear anything from a network, and must not start a process
// behind the supervisor's back.
func TestInitImportsNeitherHTTPNorExec(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		if slices.Contains([]string{"net/http", "os/exec", "crypto/tls"}, dep) {
			t.Errorf("init imports %s", dep)
		}
	}
}

func TestBootGoesInAnOrderInWhichEachPhaseFindsWhatItNeeds(t *testing.T) {
	var names []string
	for _, p := range phases() {
		names = append(names, p.name)
		if !p.must && p.without == "" {
			t.Errorf("phase %s may fail and does not say what the box does then", p.name)
		}
	}
	for _, order := range [][2]string{
		{"mount", "log"}, {"board", "modules"}, {"modules", "watchdog"}, {"modules", "lamp"}, {"data", "factory reset"}, {"factory reset", "last end"}, {"factory reset", "folders"}, {"modules", "data"}, {"modules", "kernel settings"},
		{"modules", "network interfaces"}, {"release", "clock"}, {"data", "clock"}, {"watchdog", "last end"},
		{"clock", "last end"}, {"data", "folders"}, {"factory reset", "key"}, {"key", "services"}, {"network interfaces", "services"}, {"folders", "services"},
	} {
		first, second := slices.Index(names, order[0]), slices.Index(names, order[1])
		if first < 0 || second < 0 || first >= second {
			t.Errorf("%s (%d) must come before %s (%d)", order[0], first, order[1], second)
		}
	}
}

func TestWebUIHearsOnlyTheManagementInterface(t *testing.T) {
	for _, s := range services(managementNIC) {
		for _, sock := range s.sockets {
			if sock.Network != "unix" && sock.Device != managementNIC {
				t.Errorf("%s listens on %s of every interface", s.name, sock.Address)
			}
		}
	}
}

func TestDaemonsHaveUsersOfTheirOwnInTheImage(t *testing.T) {
	passwd, err := os.ReadFile("../../initramfs/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for line := range strings.Lines(string(passwd)) {
		f := strings.Split(line, ":")
		if other, ok := seen[f[2]]; ok {
			t.Errorf("%s and %s are one user", f[0], other)
		}
		seen[f[2]] = f[0]
	}
	for _, s := range services("") {
		if !strings.Contains(string(passwd), "\n"+s.name+":x:") {
			t.Errorf("%s has no user", s.name)
		}
	}
}

func TestResolversAreReadWhereNetdWritesThem(t *testing.T) {
	tree, err := os.ReadFile("../../initramfs/tree.go")
	if err != nil {
		t.Fatal(err)
	}
	netd := services("")[0]
	file := netd.args[slices.Index(netd.args, "-state")+1] + "/resolv.conf"
	if !strings.Contains(string(tree), `cpio.Symlink("etc/resolv.conf", "`+file+`")`) {
		t.Errorf("/etc/resolv.conf of the image does not lead to %s", file)
	}
}

func TestNoDaemonMayDoMoreThanItsJob(t *testing.T) {
	network := []supervise.Cap{supervise.NetAdmin, supervise.NetRaw}
	needs := map[string][]supervise.Cap{"netd": network, "balancerd": append(slices.Clone(network), supervise.NetBindService)}
	for _, s := range services("") {
		if !slices.Equal(s.caps, needs[s.name]) {
			t.Errorf("%s has capabilities %v, needs %v", s.name, s.caps, needs[s.name])
		}
	}
}

func TestDataPartitionIsFoundByItsName(t *testing.T) {
	sys := fstest.MapFS{
		"class/block/vda/uevent":  {Data: []byte("DEVNAME=vda\nDEVTYPE=disk\n")},
		"class/block/vda1/uevent": {Data: []byte("DEVNAME=vda1\nPARTNAME=spoolgate-boot\n")},
		"class/block/vda4/uevent": {Data: []byte("DEVNAME=vda4\nPARTN=4\nPARTNAME=spoolgate-data\n")},
	}
	if device, err := findPartition(sys, dataLabel); err != nil || device != "/dev/vda4" {
		t.Errorf("found %q, %v", device, err)
	}
	if device, err := findPartition(sys, "other"); err != nil || device != "" {
		t.Errorf("found %q, %v", device, err)
	}
}

// fakePartition has an ext4 super block with this state.
func fakePartition(t *testing.T, magic, state byte) string {
	content := make([]byte, 4096)
	content[1024+56], content[1024+57], content[1024+58] = magic, 0xef, state
	name := filepath.Join(t.TempDir(), "partition")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDamagedFileSystemIsNoticed(t *testing.T) {
	for _, c := range []struct {
		magic, state byte
		damaged      bool
		ok           bool
	}{{0x53, 1, false, true}, {0x53, 0, false, true}, {0x53, 3, true, true}, {0, 1, false, false}} {
		got, err := damaged(fakePartition(t, c.magic, c.state))
		if got != c.damaged || (err == nil) != c.ok {
			t.Errorf("%+v: damaged %v, %v", c, got, err)
		}
	}
}

func TestBoxSaysOnceThatAllServicesAreUp(t *testing.T) {
	var r report
	up, not := api.Daemon{State: api.DaemonRunning}, api.Daemon{State: api.DaemonStarting}
	for i, c := range []struct {
		list []api.Daemon
		want bool
	}{{[]api.Daemon{up, not}, false}, {[]api.Daemon{up, up}, true}, {[]api.Daemon{up, up}, false}} {
		if got := r.allUp(c.list); got != c.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

func TestClockGoesForwardOnly(t *testing.T) {
	floor := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	if !clockIsBehind(floor.Add(-time.Second), floor) || clockIsBehind(floor.Add(time.Second), floor) {
		t.Error("the clock was moved the wrong way")
	}
}

func TestInitRefusesToStartElsewhere(t *testing.T) {
	if err := run(nil); err == nil {
		t.Error("it became the first process of the test")
	}
}
