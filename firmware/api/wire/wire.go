// Package wire is how the daemons say the types of package api to each other
// and to people: HTTP and JSON over Unix sockets. It has the client of a
// daemon's socket, and what a daemon answers with. PID 1 does not link it.
package wire
