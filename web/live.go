package web

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

const (
	// paceOfPages is the least time between two pages of one stream.
	paceOfPages = 250 * time.Millisecond
	// heartbeat tells the browser that the box is there, though nothing changed.
	heartbeat = time.Second
	// slowest is how long one write to a browser may take before the stream ends.
	slowest = 10 * time.Second
)

// live streams the content of the status page at each change, as server-sent
// events: "page" with the content, "same" as a heartbeat.
func (s *site) live(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	var last []byte
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		v, changed := s.watch.read()
		var content bytes.Buffer
		if err := s.pages.ExecuteTemplate(&content, "status", newPage(v, s.now())); err != nil {
			s.log.Warn("live page", "err", err)
			return
		}
		event := "event: same\ndata:\n\n"
		if !bytes.Equal(content.Bytes(), last) {
			event = "event: page\n" + dataLines(content.Bytes())
			last = content.Bytes()
		}
		if control.SetWriteDeadline(time.Now().Add(slowest)) != nil {
			return
		}
		if _, err := fmt.Fprint(w, event); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-beat.C:
			continue
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(paceOfPages):
		}
	}
}

// dataLines writes text as the data of one server-sent event.
func dataLines(text []byte) string {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.String()
}
