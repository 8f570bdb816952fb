package main

// phase is one step from the kernel to the services.
type phase struct {
	name string
	run  func(*box) error
	// must ends the boot when the phase fails: the box restarts, and after
	// some tries its boot loader takes the other slot.
	must bool
	// without says what the box does when a phase fails that is no must.
	without string
}

// phases are the boot, in this order.
func phases() []phase {
	return []phase{
		{name: "mount", run: (*box).mount, must: true},
		{name: "log", run: (*box).openLog, without: "the log goes to the console"},
		{name: "release", run: (*box).readRelease, without: "the version is unknown"},
		{name: "board", run: (*box).findBoard, without: "no lamps, no button, no watchdog"},
		{name: "modules", run: (*box).loadModules, without: "what they drive does not work"},
		{name: "lamp", run: (*box).lightLamp, without: "the lamp of the box is dark until the panel's daemon runs"},
		{name: "watchdog", run: (*box).openWatchdog, without: "a hung kernel stays hung until somebody pulls the plug"},
		{name: "kernel settings", run: (*box).setKernel, without: "the kernel's own values stay"},
		{name: "host name", run: (*box).setHostname, without: "the kernel's name stays"},
		{name: "data", run: (*box).mountData, without: "the box runs with what it has in memory and forgets it at the next start; put the medium right, or write the image to a new one"},
		{name: "factory reset", run: (*box).completeReset, without: "what should be forgotten may be there still; ask for it again"},
		{name: "key", run: (*box).makeKey, without: "passwords of the configuration are neither encrypted nor opened: what needs one does not work"},
		{name: "clock", run: (*box).setClock, without: "the time may be wrong until the network tells it"},
		{name: "last end", run: (*box).findLastEnd, without: "why the box started is unknown"},
		{name: "network interfaces", run: (*box).nameNICs, without: "what is missing is looked for again every few seconds"},
		{name: "folders", run: (*box).makeFolders, must: true},
		{name: "services", run: (*box).describeServices, must: true},
	}
}
