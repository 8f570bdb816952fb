package web

import (
	"net"
	"net/http"
	"strings"
	"time"
)

// policy lets a page use what this server sends and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types spoolgate"

// slowest is how long a browser may take to send a request or to read its
// answer, and one event of a stream.
const slowest = 10 * time.Second

// patient ends requests of browsers that are slower than slowest.
func patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, end := http.NewResponseController(w), time.Now().Add(slowest)
		if control.SetReadDeadline(end) != nil || control.SetWriteDeadline(end) != nil {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// secure answers only for the box's own names, which stops a foreign name that
// was pointed here (DNS rebinding), and sets the headers that keep pages apart
// from others.
func secure(hostname func() string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		// "no-referrer" would make Chromium send "Origin: null" on our own forms.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !ours(r, hostname()) {
			misdirected(w, r, hostname())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ours reports whether the request names the address that it came to, or the
// box's host name with or without a domain.
func ours(r *http.Request, hostname string) bool {
	host := hostOf(r)
	if host != "" && host == arrivedAt(r) {
		return true
	}
	first, _, _ := strings.Cut(host, ".")
	return hostname != "" && strings.EqualFold(first, hostname)
}

// misdirected names the names that work. The address that the request came to is
// no secret to whom it reached; what the person wrote is not repeated.
func misdirected(w http.ResponseWriter, r *http.Request, hostname string) {
	names := []string{}
	if a := arrivedAt(r); a != "" {
		names = append(names, "its management address, "+a)
	}
	if hostname != "" {
		names = append(names, "its host name, "+hostname+", alone or with a domain ("+hostname+".localhost where the box is simulated)")
	}
	text := "This box does not go by the name or address in your browser's address line."
	if len(names) > 0 {
		text += " Write there " + strings.Join(names, ", or ") + "."
	}
	http.Error(w, text, http.StatusMisdirectedRequest)
}

// arrivedAt is the box's own address that the request came to.
func arrivedAt(r *http.Request) string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	address, _, err := net.SplitHostPort(local.String())
	if err != nil {
		return ""
	}
	return address
}

func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}

// redirect sends every request to the same place over HTTPS.
func redirect(hostname func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ours(r, hostname()) {
			misdirected(w, r, hostname())
			return
		}
		host := hostOf(r)
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
}
