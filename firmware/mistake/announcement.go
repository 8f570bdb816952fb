package mistake

import (
	"fmt"
	"net/netip"
	"time"

	"spoolgate/firmware/event"
)

// Announced takes the address that a node's FTP server announces in its reply to
// PASV, as it left the node. follows reports whether the port is one that follows
// an MFD's binding by itself, as those of passive_ports do.
//
// The kernel makes the virtual address of the node's own address, and of no other:
// with any other the MFD is told where no one lets it in. One reply is proof.
func (b *Book) Announced(now time.Time, n Node, at netip.AddrPort, follows bool) []Finding {
	k := key{event.NodeFTPAddress, n.Place}
	switch {
	case at.Addr() == n.Address, at.Addr() == n.VirtualAddress && follows:
		return b.settle(k, "", fmt.Sprintf("the FTP server of node %s announces %s now, which MFDs reach", n.Node, at.Addr()))
	case at.Addr() == n.VirtualAddress:
		return b.raise(now, k, "", func([]string) string {
			return fmt.Sprintf("the FTP server of node %s announces the virtual address %s with port %d, which this group does not pass: scans by FTP fail. "+
				"Take the address out of the FTP server's settings for passive mode (\"external IP address\", pasv_address), so that it announces %s and the box sees to the rest; "+
				"or, for FTP over TLS, name the FTP server's range of passive ports in passive_ports",
				n.Node, at.Addr(), at.Port(), n.Address)
		})
	}
	return b.raise(now, k, "", func([]string) string {
		return fmt.Sprintf("the FTP server of node %s announces %s to MFDs, which is not its own address %s: they can't reach it there, and scans by FTP fail. "+
			"Take the address out of the FTP server's settings for passive mode (\"external IP address\", pasv_address); it then announces its own, and the box makes the virtual address of it",
			n.Node, at.Addr(), n.Address)
	})
}
