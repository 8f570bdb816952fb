package phrase

import "testing"

func TestNumberIsSaidWithItsNoun(t *testing.T) {
	for _, tt := range []struct {
		n          int
		noun, want string
	}{
		{0, "MFD", "0 MFDs"}, {1, "MFD", "1 MFD"}, {2, "MFD", "2 MFDs"}, {1, "open connection", "1 open connection"}, {12, "open connection", "12 open connections"},
		{1, "time", "1 time"}, {3, "time", "3 times"}, {1, "try", "1 try"}, {4, "try", "4 tries"}, {2, "gateway", "2 gateways"}, {2, "y", "2 ys"},
	} {
		if got := Count(tt.n, tt.noun); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestVerbFollowsTheNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0 MFDs move", 1: "1 MFD moves", 61: "61 MFDs move"} {
		if got := Does(n, "MFD", "moves", "move"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
