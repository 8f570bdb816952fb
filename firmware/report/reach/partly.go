package reach

import "spoolgate/firmware/api"

// Partly is how a message ends that some of its recipients have and others never will.
// It is delivered: sent again, those that have it would get it twice.
type Partly struct {
	LeftOut *api.Failure // who does not have it, and why
}

func (p *Partly) Error() string { return p.LeftOut.Error() }

func (p *Partly) Unwrap() error { return p.LeftOut }
