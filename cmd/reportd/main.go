// Command reportd tells people what happens: by syslog, SNMP, mail and webhook, and
// shows the state of the box to Prometheus.
package main

import (
	// The box has no certificates of public authorities of its own. These are
	// Mozilla's, kept by the Go project, and are used only where the system has none.
	_ "golang.org/x/crypto/x509roots/fallback"

	"spoolgate/firmware/daemon"
	"spoolgate/firmware/report"
)

func main() { daemon.Main("reportd", report.Command) }
