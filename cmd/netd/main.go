// Binary netd gives the box its addresses and keeps them: static and DHCP ones,
// VLANs, and the virtual address of each group. It serves its state on a Unix
// socket as GET /v1/network.
package main

import "spoolgate/firmware/daemon"

func main() { daemon.Main("netd", run) }
