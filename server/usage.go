package server

import (
	"net/http"
	"time"
)

// usage tells what the services counted of an account's usage, by service: the
// query names the account (default: the server's own) and the days from and to
// (2006-01-02; default: today by the account's clock).
func (s *Server) usage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	account, days := q.Get("account"), [2]string{q.Get("from"), q.Get("to")}
	if account == "" {
		account = s.cfg.Account
	}
	for i, day := range days {
		if day == "" {
			days[i] = s.clock.Now().UTC().Format(time.DateOnly)
		} else if _, err := time.Parse(time.DateOnly, day); err != nil {
			http.Error(w, "from and to are days, as 2006-01-02", http.StatusBadRequest)
			return
		}
	}
	out := map[string]any{}
	for _, d := range s.definitions {
		if d.Usage == nil {
			continue
		}
		used, err := d.Usage(r.Context(), account, days[0], days[1])
		if err != nil {
			s.log.Error("usage", "service", d.Schema.Name, "error", err)
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		out[d.Schema.Name] = used
	}
	writeJSON(w, out)
}
