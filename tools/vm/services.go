package vm

import (
	"context"
	"encoding/json"
	"fmt"

	"spoolgate/firmware/api"
)

// Services asks the technician's shell how the daemons fare. The kernel log has
// the same console and may speak into an answer: that one is asked for again.
func (c *Console) Services(ctx context.Context) (s api.Services, err error) {
	for range 5 {
		text, failed := c.Run(ctx, "cat "+api.ServicesFile)
		if failed != nil {
			return s, failed
		}
		s = api.Services{}
		if err = json.Unmarshal([]byte(text), &s); err == nil {
			return s, nil
		}
		err = fmt.Errorf("state of the services: %w in %q", err, text)
	}
	return s, err
}
