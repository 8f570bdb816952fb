// Binary init is PID 1 of the box. It mounts what is to mount, loads the
// modules of the board, starts the daemons and keeps them running, feeds the
// hardware watchdog, and ends the box in order. It speaks no HTTP; what it knows
// it writes to /run/spoolgate/services.json.
//
// Signals: TERM and INT (Ctrl-Alt-Del) restart the box, USR1 and USR2 power it off.
package main

import (
	"fmt"
	"os"

	"spoolgate/firmware/supervise"
)

func main() {
	if shim, err := supervise.Shim(os.Args); shim {
		fmt.Fprintln(os.Stderr, "<3>init:", err)
		os.Exit(supervise.ShimFailed)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		os.Exit(1)
	}
}
