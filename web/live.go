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
	// mostStreams bounds the browsers that are kept up to date: each costs a
	// goroutine and a connection.
	mostStreams = 64
)

// live streams the content of the status page at each change, as server-sent
// events: "page" with the content, "same" as a heartbeat.
func (s *site) live(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "30")
		http.Error(w, fmt.Sprintf("%d browsers are kept up to date already. Close some, or reload the page by hand.", mostStreams), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	// The deadline of a request that is read once would end the stream.
	if control.SetReadDeadline(time.Time{}) != nil {
		return
	}
	var last []byte
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		v, changed := s.watch.read()
		content, err := s.content(v)
		if err != nil {
			s.log.Warn("live page", "err", err)
			return
		}
		event := []byte("event: same\ndata:\n\n")
		if !bytes.Equal(content, last) {
			event, last = pageEvent(content), content
		}
		if control.SetWriteDeadline(time.Now().Add(slowest)) != nil {
			return
		}
		if _, err := w.Write(event); err != nil || control.Flush() != nil {
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

// content is the status page of a view without its frame. It is rendered once
// for all browsers.
func (s *site) content(v view) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rendered != nil && s.renderedOf == v.serial {
		return s.rendered, nil
	}
	var content bytes.Buffer
	if err := s.pages.ExecuteTemplate(&content, "status", newPage(v, s.now())); err != nil {
		return nil, err
	}
	s.rendered, s.renderedOf = content.Bytes(), v.serial
	return s.rendered, nil
}

// pageEvent writes content as one server-sent event.
func pageEvent(content []byte) []byte {
	b := bytes.NewBufferString("event: page\n")
	for line := range bytes.Lines(content) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}
