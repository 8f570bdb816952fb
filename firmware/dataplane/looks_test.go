package dataplane

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestALookIsDueWhileBeginningsMayBeUnsaid(t *testing.T) {
	at := time.Unix(1000, 0)
	l := newLooks(at)
	for _, step := range []struct {
		what           string
		after          time.Duration
		told           int
		due            bool
		took           time.Duration
		lasting, young int // that the look finds
		busy           bool
	}{
		{what: "the first", due: true},
		{what: "who was here before may have left some that were too young", after: lookEvery, due: true},
		{what: "less often while nothing lasts", after: lookEvery},
		{what: "and once when nothing can be left", after: lookEvery, due: true},
		{what: "nothing happens", after: lookEvery},
		{what: "a calm site", after: lookEvery, told: many - 1},
		{what: "the next second", after: lookEvery, told: many - 1},
		{what: "a rush", after: lookEvery, told: many, busy: true},
		{what: "nothing of it has lasted", after: lookEvery / 2, told: many, busy: true},
		{what: "its second second, though it is over", after: lookEvery / 2, due: true, lasting: 3, busy: true},
		{what: "the last look found some", after: lookEvery, due: true, young: 5, busy: true},
		{what: "less often", after: lookEvery, busy: true},
		{what: "the last look found some that were too young", after: lookEvery, due: true},
		{what: "calm again", after: lookSeldom},
		{what: "another rush", after: lookEvery, told: many, busy: true},
		{what: "short ones alone are looked at seldom", after: lookEvery, told: many, due: true, young: 5, busy: true},
		{what: "not sooner", after: lookSeldom - lookEvery, told: many, busy: true},
		{what: "one that lasts makes it soon again", after: lookEvery, told: many, due: true, lasting: mostFound, busy: true},
		{what: "and more than are taken at once at once", after: interval, due: true, took: 30 * time.Millisecond, lasting: 1, busy: true},
		{what: "but a look that takes long not so soon", after: 2 * lookEvery, busy: true},
		{what: "only a hundred times later", after: lookEvery, due: true, took: time.Second, lasting: 1, busy: true},
		{what: "up to the same bound", after: lookSeldom, due: true, took: time.Second, lasting: mostFound, busy: true},
		{what: "unless it has left some", after: interval, due: true, young: 1, busy: true},
		{what: "one that waits for its answer may last yet", after: lookEvery, due: true},
		{what: "calm in the end", after: lookSeldom},
	} {
		at = at.Add(step.after)
		due := l.due(at, step.told)
		if due != step.due {
			t.Errorf("%s: due %v", step.what, due)
		}
		if due {
			began := at
			at = at.Add(step.took)
			l.found(began, at, step.lasting, step.young)
		}
		if l.busy() != step.busy {
			t.Errorf("%s: busy %v", step.what, l.busy())
		}
		if patience := l.patience(at); patience >= 0 == l.calm() {
			t.Errorf("%s: a wait for events ends after %v", step.what, patience)
		}
	}
}

// Whatever comes when, what lasts is found within 5 s, and in the end nobody looks any more.
func TestWhatLastsIsFoundInTimeHoweverManyCome(t *testing.T) {
	const found, step = 5 * time.Second, 10 * time.Millisecond
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		took := time.Duration(random.IntN(150)) * time.Millisecond
		now := time.Unix(1000, 0)
		l := newLooks(now)
		var unsaid []time.Time
		tokens, rate, left, looks := float64(toldAtOnce), 0.0, time.Duration(0), 0
		const run, quiet = 40 * time.Second, 20 * time.Second
		for passed := time.Duration(0); passed < run+quiet; passed += step {
			if left -= step; left <= 0 {
				rate = []float64{0, 20, 150, 190, 210, 400, 5000}[random.IntN(7)]
				left = time.Duration(random.IntN(3000)) * time.Millisecond
			}
			if passed >= run {
				rate = 0
			}
			now = now.Add(step)
			tokens = min(tokens+toldPerSecond*step.Seconds(), toldAtOnce)
			come := rate*step.Seconds() + random.Float64()
			told := min(tokens, math.Floor(come))
			tokens -= told
			if math.Floor(come) > told && random.IntN(20) == 0 {
				unsaid = append(unsaid, now) // one of them lasts
			}
			if l.due(now, int(told)) {
				looks++
				lasting, fresh := 0, unsaid[:0:0]
				for _, began := range unsaid {
					if young(now.Sub(began)) {
						fresh = append(fresh, began)
						continue
					}
					lasting++
					if late := now.Add(took).Sub(began); late > found {
						t.Fatalf("seed %d: found %v after it began, looks take %v", seed, late, took)
					}
				}
				unsaid = fresh
				l.found(now, now.Add(took), lasting, len(fresh))
				now = now.Add(took)
			}
		}
		if len(unsaid) > 0 || !l.calm() {
			t.Fatalf("seed %d: in the end %d are not found, calm %v", seed, len(unsaid), l.calm())
		}
		if most := int((run + quiet) / lookEvery); looks > most {
			t.Fatalf("seed %d: %d looks in a minute", seed, looks)
		}
	}
}

// A look takes some time, in which others begin: each of those would be told, and the next
// look be soon, as if they lasted.
func TestALookSeesWhatLastsAndWhatIsYoung(t *testing.T) {
	now := time.Now()
	for what, c := range map[string]struct {
		change         func(*connection)
		lasting, young int
	}{
		"begins meanwhile":                    {func(c *connection) { c.began = time.Now() }, 0, 1},
		"lasts":                               {func(c *connection) { c.began = now.Add(-lookEvery / 2) }, 1, 0},
		"began before the clock was set back": {func(c *connection) { c.began = now.Add(time.Hour) }, 1, 0},
		"is not answered":                     {func(c *connection) { c.began, c.status = now.Add(-time.Hour), 0 }, 0, 1},
		"is over":                             {func(c *connection) { c.state = tcpTimeWait }, 0, 0},
		"is of no group":                      {func(c *connection) { c.mark = 0 }, 0, 0},
	} {
		var s sight
		s.begin()
		one := connection{original: tuple{protocol: unix.IPPROTO_TCP}, mark: 1, status: statusSeenReply, state: tcpEstablished}
		c.change(&one)
		if s.see(&one); s.young != c.young || len(s.lasting) != c.lasting {
			t.Errorf("one that %s: %d young, %d lasting", what, s.young, len(s.lasting))
		}
	}
}

func TestALookTakesSoManyAtOnceAndNoMore(t *testing.T) {
	var s sight
	one := connection{original: tuple{protocol: unix.IPPROTO_TCP}, mark: 1, status: statusSeenReply, state: tcpEstablished}
	for range 2 {
		s.begin()
		for range mostFound + 5 {
			s.see(&one)
		}
		if len(s.lasting) != mostFound || s.young != 0 {
			t.Errorf("%d lasting, %d young", len(s.lasting), s.young)
		}
	}
}

func TestBeginningsAreThoseThatWereToldWhenTheyCame(t *testing.T) {
	events := []Event{{Kind: Opened}, {Kind: Opened, Unsaid: true}, {Kind: Bound}, {Kind: Closed}, {Kind: Unanswered}}
	if n := begun(events); n != 2 {
		t.Errorf("%d of these began, want the first and the third", n)
	}
}
