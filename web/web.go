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
	"sync"
	"time"

	"spoolgate/firmware/report/mib"
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

	streams chan struct{} // one taken a stream

	mu         sync.Mutex
	rendered   []byte // content of the status page
	renderedOf uint64 // serial of its view
}

// newSite returns the handler of the UI; metrics answers scrapes.
func newSite(w *watch, metrics http.Handler, now func() time.Time, log *slog.Logger) (http.Handler, error) {
	pages, err := template.ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	static, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return nil, err
	}
	s := &site{watch: w, now: now, pages: pages, log: log, streams: make(chan struct{}, mostStreams)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.status)
	mux.HandleFunc("GET /live", s.live)
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /"+mib.FileName, module)
	mux.HandleFunc("/", unknown)
	for _, name := range []string{"style.css", "live.js", "icon.svg"} {
		mux.HandleFunc("GET /static/"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, static, name) })
	}
	return patient(secure(w.hostname, mux)), nil
}

func (s *site) status(w http.ResponseWriter, r *http.Request) {
	v, _ := s.watch.read()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := s.pages.ExecuteTemplate(w, "layout", newPage(v, s.now())); err != nil {
		s.log.Warn("status page", "err", err)
	}
}

// unknown answers for everything that is no page.
func unknown(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Nothing can be changed from here. The status of the box is at /.", http.StatusMethodNotAllowed)
		return
	}
	http.Error(w, "This box has no such page. Its status is at /.", http.StatusNotFound)
}
