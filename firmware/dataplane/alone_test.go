package dataplane

import (
	"strings"
	"testing"
)

// Two programs at one table would serve neither's MFDs.
func TestSecondProgramIsRefusedTheTable(t *testing.T) {
	s := newSite(t)
	s.serve(group(1))
	s.must(s.box.Do(func() error {
		second, err := Open()
		if err == nil {
			t.Error("it was opened twice")
			return second.Close()
		}
		if !strings.Contains(err.Error(), "another program keeps the table") {
			t.Errorf("refused with %v", err)
		}
		return nil
	}))
	s.must(s.table.Close())
	s.open() // the one after it
}
