package server

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/engine/observe"
	"moln.dev/moln/platform/audit"
	"moln.dev/moln/platform/mail"
)

// adminPrefix is where moln's own pages live; no AWS service uses it.
const adminPrefix = "/_moln/"

// auditPageMax is the most records one page of the audit log gives.
const auditPageMax = 1000

// admin builds the pages below /_moln/. ready and health are open; all others
// need the admin token or, where none is set, a client on this machine that
// names the server by a loopback name (so that a web page elsewhere cannot
// reach them by rebinding its own name).
func (s *Server) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_moln/ready", func(w http.ResponseWriter, r *http.Request) {
		if !s.ready.Load() {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, map[string]any{"ready": true})
	})
	mux.HandleFunc("GET /_moln/health", s.health)
	mux.HandleFunc("GET /_moln/info", s.guard(s.info))
	mux.HandleFunc("GET /_moln/ca.pem", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Write(s.ca.pem)
	})
	mux.HandleFunc("GET /_moln/metrics", s.guard(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", observe.ContentType)
		s.measure()
		s.metrics.WritePrometheus(w)
	}))
	mux.HandleFunc("GET /_moln/audit", s.guard(s.auditPage))
	mux.HandleFunc("GET /_moln/operations", s.guard(s.operations))
	mux.HandleFunc("POST /_moln/clock", s.guard(s.advanceClock))
	mux.HandleFunc("POST /_moln/scrub", s.guard(s.scrub))
	mux.HandleFunc("POST /_moln/inspect", s.guard(s.inspectFunction))
	mux.HandleFunc("GET /_moln/usage", s.guard(s.usage))
	box := s.guard(s.mailbox.Handler().ServeHTTP)
	mux.HandleFunc(mail.MailboxPath, box)
	mux.HandleFunc(mail.MailboxPath+".json", box)
	mux.HandleFunc(mail.MailboxPath+"/", box)
	return mux
}

func (s *Server) guard(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.adminAllowed(r) {
			http.Error(w, "moln's own pages need the admin token, as Authorization: Bearer TOKEN", http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
		// A page that opened this one in a window does not see into it.
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		h(w, r)
	}
}

func (s *Server) adminAllowed(r *http.Request) bool {
	if token := s.cfg.AdminToken; token != "" {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		return subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isLoopback(peer) {
		return false
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false // a proxy on this machine, which speaks for others
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if r.Method != http.MethodGet && r.Header.Get("Origin") != "" {
		return false // a page in a browser; the CLI sends none
	}
	if byScript(r) {
		return false
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// byScript reports that a page in a browser asks, and not who looks at it. A
// bucket's website or a function's page has the same origin as moln's own pages,
// and may be anybody's: its scripts and frames must not read them.
func byScript(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "" {
		return false // a program such as Node, whose fetch sends the mode only
	}
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	return mode != "" && mode != "navigate" || dest != "" && dest != "document"
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if err := s.kvHealth(r.Context()); err != nil {
		s.log.Error("health", "error", err)
		http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, map[string]any{"status": "ok"})
}

func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, map[string]any{
		"version": Version(), "account": s.cfg.Account, "endpoint": s.Endpoint(),
		"dataDir": s.cfg.DataDir, "now": s.clock.Now().UTC().Format(time.RFC3339Nano),
		"pid": pid(), "auditDropped": s.audit.Dropped(),
	})
}

func (s *Server) auditPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	max, _ := strconv.Atoi(q.Get("max"))
	if max <= 0 || max > auditPageMax {
		max = auditPageMax
	}
	request, denied := q.Get("request"), q.Get("denied") != ""
	writeJSON(w, s.audit.Newest(max, func(rec *audit.Record) bool {
		return (request == "" || rec.RequestID == request) && (!denied || wasDenied(rec))
	}))
}

func wasDenied(r *audit.Record) bool {
	for _, d := range r.Decisions {
		if !d.Allowed {
			return true
		}
	}
	return false
}

// operations lists what every service does, from the tables.
func (s *Server) operations(w http.ResponseWriter, r *http.Request) {
	type row struct{ Service, Operation, Level, Note string }
	var out []row
	names := [...]string{"none", "partial", "full"}
	for _, d := range s.definitions {
		for _, op := range d.Operations {
			_, model := op.Of()
			out = append(out, row{d.Schema.Name, model.Name, names[op.Level], op.Note})
		}
	}
	writeJSON(w, out)
}

func (s *Server) advanceClock(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.URL.Query().Get("advance"))
	if err != nil || d < 0 {
		http.Error(w, "advance must be a duration such as 1h", http.StatusBadRequest)
		return
	}
	err = s.advance(r.Context(), d)
	if errors.Is(err, errSharedClock) {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	if err != nil {
		s.log.Error("advance the clock", "error", err)
		http.Error(w, "the store does not answer", http.StatusInternalServerError)
		return
	}
	writeJSON(w, map[string]any{"now": s.clock.Now().UTC().Format(time.RFC3339Nano)})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(v)
}
