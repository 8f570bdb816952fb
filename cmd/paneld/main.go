// Command paneld drives the lamps of the front panel and reads its button.
package main

import (
	"spoolgate/firmware/daemon"
	"spoolgate/firmware/panel"
)

func main() { daemon.Main("paneld", panel.Command) }
