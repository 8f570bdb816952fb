package webhook

import (
	"encoding/json"
	"fmt"
	"strings"

	"spoolgate/firmware/api"
	"spoolgate/firmware/report/letter"
)

// generic is the form for programs: the report as the journal has it, and the words
// for people.
type generic struct {
	Box     string `json:"box"`
	Test    bool   `json:"test,omitempty"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	api.Report
}

// render puts a message into the form of a service.
func render(format string, m letter.Message) ([]byte, error) {
	var v any
	switch format {
	case "teams":
		v = teams(m)
	case "slack":
		v = slack(m)
	default:
		v = generic{Box: m.Box, Test: m.Test, Subject: m.Subject(), Text: m.Text(), Report: m.Report}
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return body, nil
}

type object = map[string]any

// teams is an Adaptive Card as a workflow of Teams takes it ("When a Teams webhook
// request is received").
func teams(m letter.Message) object {
	colour := "warning"
	switch {
	case m.Phase == api.Clear:
		colour = "good"
	case m.Verdict() == "Alert":
		colour = "attention"
	case m.Verdict() == "Notice", m.Verdict() == "Info":
		colour = "default"
	}
	var facts []object
	for _, f := range m.Facts() {
		facts = append(facts, object{"title": f.Label, "value": f.Text})
	}
	card := object{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
		"type":    "AdaptiveCard",
		"version": "1.4",
		"body": []object{
			{"type": "TextBlock", "text": m.Subject(), "weight": "bolder", "size": "medium", "color": colour, "wrap": true},
			{"type": "FactSet", "facts": facts},
		},
	}
	return object{"type": "message", "attachments": []object{
		{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card},
	}}
}

// slackSection is how long a section of a message to Slack may be, in characters. A
// header may have 150, and no subject has.
const slackSection = 3000

// slack is a message of blocks, with a text for where there are none, such as in a
// notification.
func slack(m letter.Message) object {
	var b strings.Builder
	for _, f := range m.Facts() {
		fmt.Fprintf(&b, "*%s:* %s\n", f.Label, escapeSlack(f.Text))
	}
	return object{
		"text": escapeSlack(m.Subject()),
		"blocks": []object{
			{"type": "header", "text": object{"type": "plain_text", "text": m.Subject()}},
			{"type": "section", "text": object{"type": "mrkdwn", "text": letter.Brief(b.String(), slackSection)}},
		},
	}
}

// escapeSlack writes the three characters that Slack gives a meaning.
func escapeSlack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
