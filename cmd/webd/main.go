// Command webd serves the local web UI over HTTPS on the management interface,
// and sends HTTP there.
package main

import (
	"spoolgate/firmware/daemon"
	"spoolgate/web"
)

func main() { daemon.Main("webd", web.Command) }
