package health

import (
	"testing"
	"time"

	"spoolgate/firmware/api"
)

func TestAdviceIsTheLongestOfTheLastFiveStartsAndAMargin(t *testing.T) {
	for _, c := range []struct {
		took       []int // seconds, oldest first
		configured time.Duration
		delay      time.Duration
		text       string
	}{
		{nil, time.Minute, 0, ""},
		{[]int{100, 120}, time.Minute, 0, ""},
		{[]int{94, 110, 131, 99, 104}, 2 * time.Minute, 180 * time.Second, `the last 5 starts took 94 to 131 s; set up_delay = "180s", now it is 2m0s`},
		{[]int{94, 110, 131, 99, 104}, 3 * time.Minute, 180 * time.Second, `the last 5 starts took 94 to 131 s; up_delay is 3m0s, which is right`},
		{[]int{20, 21, 22}, 3 * time.Minute, 30 * time.Second, `the last 3 starts took 20 to 22 s; up_delay is 3m0s, which is enough, and up_delay = "30s" would be, too`},
		{[]int{900, 48, 40, 41, 42, 43}, time.Minute, 60 * time.Second, `the last 5 starts took 40 to 48 s; up_delay is 1m0s, which is right`},
		{[]int{40, 41, 1200, 42, 43}, 30 * time.Second, 60 * time.Second, `the last 5 starts but one of 1200 s took 40 to 43 s; set up_delay = "60s", now it is 30s`},
		{[]int{40, 41, 100, 42, 110}, 30 * time.Second, 150 * time.Second, `the last 5 starts but one of 110 s took 40 to 100 s; set up_delay = "150s", now it is 30s`},
		{[]int{40, 100, 100, 42, 110}, 30 * time.Second, 150 * time.Second, `the last 5 starts took 40 to 110 s; set up_delay = "150s", now it is 30s`},
		{[]int{3500, 3400, 3300}, time.Minute, time.Hour, `the last 3 starts took 3300 to 3500 s; set up_delay = "3600s", now it is 1m0s`},
	} {
		var starts []api.Start
		for _, s := range c.took {
			starts = append(starts, api.Start{Took: api.Duration(time.Duration(s)*time.Second - 300*time.Millisecond)})
		}
		if a := Advise(starts, c.configured); len(starts) > 0 && a.Longest <= 0 || a.Longest > a.Delay && len(starts) > 2 {
			t.Errorf("%v: longest %v", c.took, a.Longest)
		}
		if a := Advise(starts, c.configured); a.Delay != c.delay || a.Text != c.text {
			t.Errorf("%v: %v %q, want %v %q", c.took, a.Delay, a.Text, c.delay, c.text)
		}
	}
}
