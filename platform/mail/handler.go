package mail

import (
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// MailboxPath is where Handler expects to be mounted: the path itself, and all
// below it and MailboxPath+".json".
const MailboxPath = "/_moln/mailbox"

// contentPolicy lets the page style itself and nothing else: messages are
// shown in sandboxed frames, without scripts, images or links out.
const contentPolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Handler serves the mailbox: GET answers a page, GET with ".json" a list
// (?to=address selects), DELETE empties it, and so does the page's button.
func (m *Mailer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+MailboxPath, m.page)
	mux.HandleFunc("GET "+MailboxPath+".json", m.listJSON)
	mux.HandleFunc("DELETE "+MailboxPath, m.delete)
	mux.HandleFunc("DELETE "+MailboxPath+".json", m.delete)
	mux.HandleFunc("POST "+MailboxPath+"/clear", m.clearForm)
	// A page of another site must not empty the mailbox through a form.
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !m.allow(r) {
			http.Error(w, "The mailbox is open to this machine only.", http.StatusForbidden)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

func (m *Mailer) listJSON(w http.ResponseWriter, r *http.Request) {
	kept, err := m.List(r.Context(), r.URL.Query().Get("to"))
	if err != nil {
		http.Error(w, "The mailbox cannot be read.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(struct{ Messages []Kept }{kept}) // the client has gone
}

func (m *Mailer) delete(w http.ResponseWriter, r *http.Request) {
	if err := m.Clear(r.Context()); err != nil {
		http.Error(w, "The mailbox cannot be emptied.", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (m *Mailer) clearForm(w http.ResponseWriter, r *http.Request) {
	if err := m.Clear(r.Context()); err != nil {
		http.Error(w, "The mailbox cannot be emptied.", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, MailboxPath, http.StatusSeeOther)
}

func (m *Mailer) page(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Query().Get("to")
	kept, err := m.List(r.Context(), to)
	if err != nil {
		http.Error(w, "The mailbox cannot be read.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", contentPolicy)
	data := struct {
		To   string
		Path string
		Kept []Kept
		Max  int
	}{to, MailboxPath, kept, MailboxMessagesMax}
	_ = pageTemplate.Execute(w, data) // the client has gone
}

// isLocal lets in clients on this machine that named it as such. The host is
// checked as well: a web site whose name points at 127.0.0.1 comes from
// loopback too.
func isLocal(r *http.Request) bool {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(strings.ToLower(host), "[]")
	if host != "localhost" && !strings.HasSuffix(host, ".localhost") && !isLoopback(host) {
		return false
	}
	// A proxy on this machine speaks for others.
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && isLoopback(client)
}

func isLoopback(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && a.Unmap().IsLoopback()
}

var pageTemplate = template.Must(template.New("mailbox").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mailbox ({{len .Kept}}) · moln</title>
<style>
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:1.5rem 1rem}
form{display:inline-flex;gap:.5rem;align-items:end;margin:0 1rem 1rem 0}
label{display:grid;gap:.2rem}
input,button{font:inherit;padding:.4rem .7rem}
article{border:1px solid GrayText;border-radius:.5rem;padding:1rem;margin:0 0 1rem}
h2{font-size:1.1rem;margin:0 0 .5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:0 .8rem;margin:0 0 .8rem}
dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 .8rem}
iframe{width:100%;height:16rem;border:1px solid GrayText;background:#fff}
.failed{font-weight:700}
</style>
</head>
<body>
<main>
<h1>Mailbox</h1>
<form method="get" action="{{.Path}}" role="search">
<label>Recipient <input type="search" name="to" value="{{.To}}" autocomplete="off"></label>
<button>Show</button>
</form>
<form method="post" action="{{.Path}}/clear"><button>Empty the mailbox</button></form>
<p>{{if .Kept}}{{len .Kept}} message(s), newest first. The last {{.Max}} are kept.{{else}}No messages{{with .To}} to {{.}}{{end}}.{{end}}</p>
{{range .Kept}}<article aria-labelledby="m{{.Number}}">
<h2 id="m{{.Number}}">{{.Subject}}</h2>
<dl>
<dt>To</dt><dd>{{.To}}</dd>
<dt>From</dt><dd>{{.From}}</dd>
<dt>Sent</dt><dd><time datetime="{{.At.Format "2006-01-02T15:04:05Z07:00"}}">{{.At.Format "2006-01-02 15:04:05 MST"}}</time></dd>
<dt>State</dt><dd{{if .Error}} class="failed"{{end}}>{{.State}}{{with .Error}}: {{.}}{{end}}</dd>
</dl>
{{with .Text}}<pre>{{.}}</pre>{{end}}
{{if .HTML}}<iframe sandbox title="HTML of {{.Subject}}" srcdoc="{{.HTML}}"></iframe>{{end}}
</article>
{{end}}
</main>
</body>
</html>
`))
