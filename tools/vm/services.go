package vm

import (
	"context"
	"encoding/json"
	"fmt"

	"spoolgate/firmware/api"
)

// Services asks the technician's shell how the daemons fare.
func (c *Console) Services(ctx context.Context) (s api.Services, err error) {
	text, err := c.Run(ctx, "cat "+api.ServicesFile)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("state of the services: %w in %q", err, text)
	}
	return s, nil
}
