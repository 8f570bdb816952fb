package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"spoolgate/firmware/api"
	"spoolgate/firmware/api/wire"
	"spoolgate/firmware/config"
)

// bundle is the archive that goes with a report of a fault: what the commands say, for
// people and for programs. What can't be had leaves its reason in its place, as it is
// when something is at fault that a bundle is wanted.
type bundle struct {
	call    *call
	archive *tar.Writer
	missing []string // files
	err     error    // the first of writing; the rest is left out then
}

// support writes the bundle.
func support(ctx context.Context, c *call) error {
	file, err := os.OpenFile(c.args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; name a file that is not", c.args[0])
	}
	if err != nil {
		return fmt.Errorf("the bundle is not kept: %w", err)
	}
	zip := gzip.NewWriter(file)
	b := &bundle{call: c, archive: tar.NewWriter(zip)}
	b.collect(ctx)
	if err := errors.Join(b.err, b.archive.Close(), zip.Close(), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("the bundle is not kept: %w", err), os.Remove(c.args[0]))
	}
	text := fmt.Sprintf("what is known of this box is in %s, without any password: send it with the report of what went wrong", c.args[0])
	if len(b.missing) > 0 {
		text += fmt.Sprintf("; why some of it is missing stands in its place: %v", b.missing)
	}
	return c.done(api.Done{Text: text}, nil)
}

func (b *bundle) collect(ctx context.Context) {
	b.add("version.txt", func(w io.Writer) error {
		info, _ := debug.ReadBuildInfo()
		_, err := fmt.Fprintln(w, info)
		return err
	})
	b.add("config.toml", b.configuration)
	for _, all := range []struct {
		name string
		run  func(context.Context, *call) error
	}{
		{"status", status}, {"incidents", incidents}, {"events", events}, {"proof", proof}, {"who", who}, {"names", names},
		{"up-delay", upDelay}, {"report-list", listReporters},
	} {
		b.say(ctx, all.name, nil, all.run)
	}
	b.add("network.json", func(w io.Writer) error {
		n, err := wire.NewClient(b.call.netd).Network(ctx)
		if err != nil {
			return unanswered(err, "netd", "-netd", defaultNetd)
		}
		c := *b.call
		c.out = w
		return c.printJSON(n)
	})
	s, err := b.call.Snapshot(ctx)
	if err != nil {
		return // each command has said so
	}
	for _, g := range s.Groups {
		for _, n := range g.Nodes {
			node := []string{g.Name + "/" + n.Name}
			b.say(ctx, "probes-"+g.Name+"-"+n.Name, node, probes)
			b.say(ctx, "flights-"+g.Name+"-"+n.Name, node, flights)
			b.add("flights-"+g.Name+"-"+n.Name+".pcap", func(w io.Writer) error { return b.call.Pcap(ctx, g.Name, n.Name, w) })
		}
	}
}

// say adds what a command says in both its forms.
func (b *bundle) say(ctx context.Context, name string, args []string, run func(context.Context, *call) error) {
	for _, form := range []struct {
		suffix string
		json   bool
	}{{".txt", false}, {".json", true}} {
		b.add(name+form.suffix, func(w io.Writer) error {
			c := *b.call
			c.args, c.out, c.json = args, w, form.json
			err := run(ctx, &c)
			if said := (printed{}); err == nil || errors.As(err, &said) {
				return nil // such as what the proof does not find
			}
			return unanswered(err, "balancerd", "-socket", defaultSocket)
		})
	}
}

func (b *bundle) configuration(w io.Writer) error {
	text, err := os.ReadFile(b.call.to)
	if err == nil {
		text, err = config.Conceal(text, config.Required())
	}
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// add adds a file, or why there is none.
func (b *bundle) add(name string, fill func(io.Writer) error) {
	var text bytes.Buffer
	if err := fill(&text); err != nil {
		b.missing = append(b.missing, name)
		fmt.Fprintf(&text, "\n%v\n", err)
	}
	if b.err != nil {
		return
	}
	h := &tar.Header{Name: "spoolgate/" + name, Mode: 0o600, Size: int64(text.Len()), ModTime: b.call.now()}
	if b.err = b.archive.WriteHeader(h); b.err == nil {
		_, b.err = b.archive.Write(text.Bytes())
	}
}
