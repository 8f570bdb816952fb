package hal

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"spoolgate/board"
)

// NICs are the names of the interfaces that have a role; empty means that
// there is none yet.
type NICs struct{ Service, Management string }

// FindNICs finds the network interfaces of a board in sysfs, which is a file
// system rooted at /sys. Interfaces without a device (lo, VLANs) have no role.
func FindNICs(sysfs fs.ReadLinkFS, b board.Board) (NICs, error) {
	entries, err := fs.ReadDir(sysfs, "class/net")
	if err != nil {
		return NICs{}, err
	}
	var found []nic
	for _, e := range entries {
		if _, err := sysfs.ReadLink(path.Join("class/net", e.Name(), "device")); err != nil {
			continue
		}
		whole, err := sysfs.ReadLink(path.Join("class/net", e.Name()))
		if err != nil {
			continue
		}
		driver, err := sysfs.ReadLink(path.Join("class/net", e.Name(), "device/driver"))
		if err != nil {
			driver = ""
		}
		found = append(found, nic{
			name: e.Name(), driver: path.Base(driver),
			elements: strings.Split(whole, "/"),
		})
	}
	service := pick(found, b.Service, "")
	return NICs{Service: service, Management: pick(found, b.Management, service)}, nil
}

type nic struct {
	name, driver string
	elements     []string // of the device's path
}

func pick(found []nic, want board.NIC, taken string) string {
	for _, n := range found {
		if want.Device != "" && slices.Contains(n.elements, want.Device) {
			return n.name
		}
	}
	for _, n := range found {
		if n.name != taken && slices.Contains(want.Drivers, n.driver) {
			return n.name
		}
	}
	return ""
}
