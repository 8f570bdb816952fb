package show

import (
	"context"
	"regexp"
)

// eventLine is how spoolctl prints an event on the console.
var eventLine = regexp.MustCompile(`^[0-9-]{10} [0-9:]{8}  (info|notice|warning|alert) +(.+)$`)

// followEvents has the technician's shell on the console print the box's
// events, through spoolctl.
func (s *stage) followEvents(ctx context.Context) {
	if _, err := s.box.Run(ctx, "true"); err != nil {
		return
	}
	if err := s.box.Type("spoolctl -follow events\r"); err != nil {
		s.say("console: %v", err)
	}
}
