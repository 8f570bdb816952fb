package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"spoolgate/firmware/api"
	"spoolgate/firmware/phrase"
	"spoolgate/firmware/report/letter"
)

// errUnseen says that nothing fails, but not all has been seen.
var errUnseen = errors.New("nothing fails, but not all can be seen yet")

// proof shows the requirement, sentence by sentence, with what is seen of it now.
func proof(ctx context.Context, c *call) error {
	p, err := c.Proof(ctx)
	if err != nil {
		return err
	}
	by := map[api.Verdict]int{}
	for _, i := range p.Items {
		by[i.Verdict]++
	}
	if c.json {
		if err := c.printJSON(p); err != nil {
			return err
		}
	} else {
		c.printProof(p, by)
	}
	switch {
	case by[api.Fail] > 0:
		return printed{fmt.Errorf("%s of the requirement not met", phrase.Count(by[api.Fail], "sentence"))}
	case by[api.UnseenYet] > 0:
		return printed{fmt.Errorf("%s of the requirement not seen: %w", phrase.Count(by[api.UnseenYet], "sentence"), errUnseen)}
	}
	return nil
}

func (c *call) printProof(p api.Proof, by map[api.Verdict]int) {
	fmt.Fprintf(c.out, "The requirement, as seen at %s\n", p.Time.Local().Format("2006-01-02 15:04:05"))
	var sums []string
	for _, v := range []api.Verdict{api.Pass, api.Fail, api.UnseenYet, api.UnseenHere} {
		sums = append(sums, fmt.Sprintf("%s: %d", v.Words(), by[v]))
	}
	fmt.Fprintln(c.out, strings.Join(sums, "; "))
	section, group := "", ""
	for _, i := range p.Items {
		if i.Section != section || i.Group != group {
			section, group = i.Section, i.Group
			fmt.Fprintf(c.out, "\n%s", section)
			if group != "" {
				fmt.Fprintf(c.out, ", group %s", group)
			}
			fmt.Fprintln(c.out)
		}
		wrap(c.out, "  ", fmt.Sprintf("%s: %q", i.Verdict.Words(), i.Sentence))
		for _, e := range i.Evidence {
			wrap(c.out, "      ", e)
		}
	}
}

// columns of a terminal that the proof keeps to: it is printed, too.
const columns = 100

// wrap writes a line, and what does not fit into the columns below it. A word that is
// longer than a line is left whole: it may be an address to copy.
func wrap(w io.Writer, indent, text string) {
	const more = "  "
	fmt.Fprintln(w, indent+strings.Join(letter.Wrap(text, columns-len(indent+more)), "\n"+indent+more))
}
