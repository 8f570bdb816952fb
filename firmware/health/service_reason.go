package health

import (
	"fmt"
	"strings"

	"spoolgate/firmware/api"
)

// sentence is what is the matter with a service, for somebody who stands before the
// rack.
func (s *service) sentence() string {
	return ServiceSentence(api.WindowsService{Name: s.name, State: s.answer.State, Detail: s.answer.Detail})
}

// ServiceSentence says how a service is, and why.
func ServiceSentence(s api.WindowsService) string {
	text := fmt.Sprintf("service %s %s", s.Name, ServiceWords(s.State))
	if s.Detail != "" {
		text += " (" + s.Detail + ")"
	}
	return text
}

func (s *service) missed(of int) string {
	if s.misses == 0 {
		return ", which says nothing about the node"
	}
	return fmt.Sprintf(": miss %d of %d", s.misses, of)
}

// ServiceWords is a clause whose subject is the service.
func ServiceWords(s api.WindowsState) string {
	switch s {
	case api.WindowsRunning:
		return "runs"
	case api.WindowsStopped:
		return "is stopped"
	case api.WindowsStartPending:
		return "is starting"
	case api.WindowsStopPending:
		return "is stopping"
	case api.WindowsPaused:
		return "is paused"
	case api.WindowsPausePending:
		return "is being paused"
	case api.WindowsContinuePending:
		return "is being resumed"
	case api.WindowsUnknown:
		return "is not on this node: spoolctl services lists those that are"
	case api.WindowsNotAsked:
		return "has not been asked for yet"
	case api.WindowsAccessDenied:
		return "may not be asked for by the account"
	case api.WindowsWrongPassword:
		return "could not be asked for: wrong password, or no such account; it is tried again in half an hour, or at once when the configuration is applied"
	case api.WindowsSealedPassword:
		return "could not be asked for: the password in the configuration was encrypted by another box; type it in again"
	case api.WindowsHostDown:
		return "could not be asked for: no machine answers for the node's address"
	case api.WindowsUnreachable:
		return "could not be asked for: the node could not be reached"
	case api.WindowsRefused:
		return "could not be asked for: the node refused the connection to port 445"
	case api.WindowsTimedOut:
		return "could not be asked for: no answer"
	case api.WindowsNoRoute:
		return "could not be asked for: this box has no way to the node"
	case api.WindowsInsecure:
		return "could not be asked for: the node and this box do not agree on signing or encryption"
	}
	return "could not be asked for: protocol error"
}

// aside is what is to be said of a node beside the reason of its health: which
// services do not count, and, where one of two will do, which of the two fails.
func (m *Machine) aside() string {
	var parts []string
	if m.rule.Services.Any {
		if w := m.worst(); w != nil && serves(m.health) {
			parts = append(parts, w.sentence()+", but its services run")
		}
		if s := m.halted(); s != nil {
			parts = append(parts, s.sentence()+m.butPorts())
		} else if s := m.silentService(); s != nil {
			parts = append(parts, s.sentence()+m.butPorts())
		}
	}
	said := map[api.WindowsState]bool{}
	for _, s := range m.services {
		if !s.last.IsZero() && !s.read && !said[s.answer.State] {
			said[s.answer.State] = true
			parts = append(parts, "only its ports are judged: "+s.sentence())
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, "; ")
}

func (m *Machine) butPorts() string {
	if m.allAnswer() {
		return ", but its ports answer"
	}
	return ""
}

// firstLook is why a node is Up at once.
func (m *Machine) firstLook() string {
	switch {
	case !m.allAnswer():
		return "all its services ran at the first look"
	case m.servicesVouch():
		return "answered the first probe of every port, and all its services run"
	}
	return "answered the first probe of every port"
}

// wellAgain is why a node that missed something is Up again.
func (m *Machine) wellAgain() string {
	switch {
	case !m.allAnswer():
		return "all services run"
	case m.servicesVouch():
		return "all ports answer and all services run again"
	}
	return "all ports answer again"
}
