package incident

import (
	"testing"
	"time"

	"spoolgate/firmware/api"
	"spoolgate/firmware/event"
)

// What was wrong first was mended, and something else is wrong now: whoever reads it
// looks for what is wrong now.
func TestTroubleThatHasAnotherCauseIsCalledByIt(t *testing.T) {
	s := tell(t).services(event.Warning, "A: the account may not ask for service Billing. Correct its rights").pass(time.Minute)
	s.services(event.Warning, "A: port 445 is refused. Let it through")
	i := s.open(1)[0]
	if i.Title != "A: port 445 is refused" || i.Cause != "A: port 445 is refused. Let it through" || i.Times != 1 {
		t.Errorf("%+v", i)
	}
	if len(i.Evidence) != 2 || i.Evidence[0] != "A: the account may not ask for service Billing. Correct its rights" {
		t.Errorf("what was wrong before is no evidence: %q", i.Evidence)
	}
}

// The first words of the events of these kinds say what followed, and not what is wrong.
func TestTroubleThatHasANameOfItsOwnKeepsItsCause(t *testing.T) {
	for _, first := range []api.Event{
		{Kind: event.NodeHealth, Group: "print", Node: "A", State: string(api.Down)},
		{Kind: event.KernelFault},
		{Kind: event.GroupUnreached, Group: "print"},
	} {
		first.Severity, first.Text = event.Warning, "first"
		s := tell(t).take(first)
		title := s.open(1)[0].Title
		first.Text = "second"
		if i := s.take(first).open(1)[0]; i.Title != title || i.Cause != "first" {
			t.Errorf("%+v", i)
		}
	}
}
