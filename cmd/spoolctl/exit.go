package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"spoolgate/firmware/api"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // understood, and refused or failed: the answer is no
	exitUsage  = 2 // not understood, whatever the state of the box
	exitUnseen = 3 // of proof: nothing fails, but not all can be seen yet
)

// misunderstood is an error of what was written, not of what it asks for.
type misunderstood struct{ error }

// exitStatus is the rule for all commands. A daemon that does not understand says so
// with 400.
func exitStatus(err error) int {
	var written misunderstood
	var refused *api.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &written), errors.As(err, &refused) && refused.Status == http.StatusBadRequest:
		return exitUsage
	case errors.Is(err, errUnseen):
		return exitUnseen
	}
	return exitFailed
}

// printed is an error whose details are on the standard output already, as JSON
// if that is wanted.
type printed struct{ error }

func (p printed) Unwrap() error { return p.error }

// fail tells a person why nothing, or not all, was done, and returns the exit status.
// A program that asked for JSON gets it where it reads: on the standard output.
func (c *call) fail(errs io.Writer, err error) int {
	var told printed
	switch {
	case !c.json:
		fmt.Fprintf(errs, "spoolctl: %v\n", err)
	case !errors.As(err, &told):
		if err := c.printJSON(map[string]string{"error": err.Error()}); err != nil {
			fmt.Fprintf(errs, "spoolctl: %v\n", err)
		}
	}
	return exitStatus(err)
}

// unanswered says what to do about a daemon that does not answer; other errors,
// and those that say so already, stay as they are.
func unanswered(err error, daemon, flagName, usual string) error {
	var refused *api.Error
	if text := err.Error(); errors.As(err, &refused) || !strings.Contains(text, "does not answer") || strings.Contains(text, " running? ") {
		return err
	}
	return fmt.Errorf("%w. Is %s running? Name its socket with %s PATH if it is not %s", err, daemon, flagName, usual)
}
