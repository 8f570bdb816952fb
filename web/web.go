// Package web is the local web UI: what a person sees of the box in a browser.
//
// It speaks to the daemons over their sockets and knows nothing that they don't
// say. Pages are rendered here, work without JavaScript, and are made of one
// consistent snapshot each. Whoever can reach the management interface can
// look; nothing can be changed from here.
package web

import (
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// site is the UI over a watch on the daemons.
type site struct {
	watch *watch
	now   func() time.Time
	pages *template.Template
	log   *slog.Logger
}

// newSite returns the handler of the UI.
func newSite(w *watch, now func() time.Time, log *slog.Logger) (http.Handler, error) {
	pages, err := template.ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	static, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return nil, err
	}
	s := &site{watch: w, now: now, pages: pages, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.status)
	mux.HandleFunc("GET /live", s.live)
	mux.Handle("GET /static/", http.StripPrefix("/static/", noListing(http.FileServerFS(static))))
	return secure(w.hostname, mux), nil
}

func (s *site) status(w http.ResponseWriter, r *http.Request) {
	v, _ := s.watch.read()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := s.pages.ExecuteTemplate(w, "layout", newPage(v, s.now())); err != nil {
		s.log.Warn("status page", "err", err)
	}
}

// noListing hides the list of a folder's files.
func noListing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "" {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}
