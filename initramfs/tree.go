// Package initramfs composes the root file system of the box, which is its
// initramfs: it lives in RAM and is new at every start. What goes in, and with
// which mode, is data in this file. The same input gives the same bytes.
package initramfs

import (
	"embed"

	"github.com/u-root/u-root/pkg/cpio"
)

//go:embed etc
var static embed.FS

// Programs are our own, below /cmd in the source and /bin on the box, and must
// be in every image. One that the source does not have is left out.
func Programs() []string {
	return []string{"balancerd", "netd", "paneld", "reportd", "spoolctl", "webd"}
}

// skeleton is the tree around the programs: folders, links and the nodes that
// the kernel needs before /dev is mounted.
func skeleton() []cpio.Record {
	return []cpio.Record{
		cpio.Directory(".", 0o755),
		cpio.Directory("bin", 0o755),
		cpio.Directory("data", 0o755),
		cpio.Directory("dev", 0o755),
		cpio.Directory("etc", 0o755),
		cpio.Directory("lib", 0o755),
		cpio.Directory("lib/modules", 0o755),
		cpio.Directory("proc", 0o555),
		cpio.Directory("root", 0o700),
		cpio.Directory("run", 0o755),
		cpio.Directory("sys", 0o555),
		cpio.Directory("tmp", 0o1777),
		cpio.CharDev("dev/console", 0o600, 5, 1), // without it PID 1 starts with no descriptors at all
		cpio.CharDev("dev/null", 0o666, 1, 3),
		// netd knows the name servers; init tells it to keep them there.
		cpio.Symlink("etc/resolv.conf", "/run/netd/resolv.conf"),
	}
}
