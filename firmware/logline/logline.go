// Package logline is how every program of the box writes its log: text lines that
// the kernel log and the journal of systemd both understand.
package logline

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
)

// New logs lines of text to w. With priority each line starts with the
// kernel's level, such as <4> for a warning (sd-daemon(3)): the kernel log and
// the journal both read it, and drop it from the text. Their clock is used then.
func New(name string, w io.Writer, priority bool) *slog.Logger {
	if !priority {
		return slog.New(slog.NewTextHandler(w, nil)).With("daemon", name)
	}
	out := &lineWriter{w: w}
	text := slog.NewTextHandler(&out.line, &slog.HandlerOptions{ReplaceAttr: dropTime})
	return slog.New(priorityHandler{out: out, text: text}).With("daemon", name)
}

func dropTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// lineWriter writes a record in one piece: /dev/kmsg makes a message of each write.
type lineWriter struct {
	mu   sync.Mutex
	line bytes.Buffer
	w    io.Writer
}

type priorityHandler struct {
	out  *lineWriter
	text slog.Handler
}

func (h priorityHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.text.Enabled(ctx, l)
}

func (h priorityHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.line.Reset()
	h.out.line.WriteString(priority(r.Level))
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.out.w.Write(h.out.line.Bytes())
	return err
}

func (h priorityHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return priorityHandler{out: h.out, text: h.text.WithAttrs(attrs)}
}

func (h priorityHandler) WithGroup(name string) slog.Handler {
	return priorityHandler{out: h.out, text: h.text.WithGroup(name)}
}

func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "<3>"
	case l >= slog.LevelWarn:
		return "<4>"
	case l >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}
