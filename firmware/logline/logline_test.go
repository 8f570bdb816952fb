package logline

import (
	"strings"
	"testing"
)

func TestSupervisedLogLinesCarryThePriority(t *testing.T) {
	var out strings.Builder
	log := New("netd", &out, true)
	log.Warn("link down", "interface", "eth0")
	log.With("a", 1).Error("gone")
	want := "<4>msg=\"link down\" daemon=netd interface=eth0\n<3>msg=gone daemon=netd a=1\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
