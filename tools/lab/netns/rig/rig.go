// Package rig is for tests that join network namespaces of their own.
package rig

import (
	"testing"

	"spoolgate/tools/lab/netns"
)

// Rig is a test that has namespaces.
type Rig struct{ testing.TB }

// Namespace makes a namespace that ends with the test.
func (r Rig) Namespace() *netns.Namespace {
	r.Helper()
	n, err := netns.New()
	r.Must(err)
	r.Cleanup(func() { n.Close() })
	return n
}

// Must ends the test with an error.
func (r Rig) Must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// Shell runs a script in a namespace; it must succeed.
func (r Rig) Shell(n *netns.Namespace, script string) {
	r.Helper()
	_, err := n.Output("sh", "-ec", script)
	r.Must(err)
}
