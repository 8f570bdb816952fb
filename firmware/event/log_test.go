package event

import (
	"context"
	"slices"
	"testing"
	"time"
)

func numbers(events []Event) (out []uint64) {
	for _, e := range events {
		out = append(out, e.Seq)
	}
	return out
}

func TestLogKeepsTheLastEvents(t *testing.T) {
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	l := NewLog(3, func() time.Time { return at })
	if got, _ := l.After(0); got != nil {
		t.Errorf("an empty log has %v", got)
	}
	for range 5 {
		l.Add(Event{Kind: NodeHealth})
	}
	tests := []struct {
		after uint64
		want  []uint64
	}{{0, []uint64{3, 4, 5}}, {3, []uint64{4, 5}}, {5, nil}, {9, nil}}
	for _, tt := range tests {
		got, _ := l.After(tt.after)
		if !slices.Equal(numbers(got), tt.want) {
			t.Errorf("after %d: %v, want %v", tt.after, numbers(got), tt.want)
		}
		for _, e := range got {
			if !e.Time.Equal(at) {
				t.Errorf("stamped %v", e.Time)
			}
		}
	}
}

func TestFollowerMissesNothing(t *testing.T) {
	l := NewLog(1000, time.Now)
	l.Add(Event{})
	go func() {
		for range 99 {
			l.Add(Event{})
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	want := uint64(0)
	for e := range l.Follow(ctx, 0) {
		if want++; e.Seq != want {
			t.Fatalf("event %d came, want %d", e.Seq, want)
		}
		if want == 100 {
			cancel()
		}
	}
	if want != 100 {
		t.Errorf("the last event was %d", want)
	}
}
