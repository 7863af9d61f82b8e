package form

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
)

// Stored is what an upload has made.
type Stored struct {
	Bucket, Key string
	ETag        string // quoted
	Location    string // URL of the object
}

// Answer writes the answer that the form asks for: a redirection, 200, 201 with
// a document, or 204. What it asks for and is none of these is ignored.
func (f *Form) Answer(w http.ResponseWriter, s Stored) {
	w.Header().Set("Etag", s.ETag)
	if to := f.redirect(s); to != "" {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	w.Header().Set("Location", s.Location)
	status, _ := strconv.Atoi(f.Get("success_action_status"))
	if status != http.StatusOK && status != http.StatusCreated {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if status == http.StatusOK {
		w.WriteHeader(status)
		return
	}
	body, err := xml.Marshal(struct {
		XMLName                     xml.Name `xml:"PostResponse"`
		Location, Bucket, Key, ETag string
	}{Location: s.Location, Bucket: s.Bucket, Key: s.Key, ETag: s.ETag})
	if err != nil { // cannot be: a struct of texts
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), body...)) // a client that went away
}

// redirect is where the form sends the browser, with what was stored.
func (f *Form) redirect(s Stored) string {
	to := f.Get("success_action_redirect")
	if to == "" {
		to = f.Get("redirect") // its older name
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	more := url.Values{"bucket": {s.Bucket}, "key": {s.Key}, "etag": {s.ETag}}.Encode()
	if u.RawQuery != "" {
		more = u.RawQuery + "&" + more
	}
	u.RawQuery = more
	return u.String()
}
