package lambda

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/lambda/fn"
)

const (
	codePath         = "/_aws/lambda-code/"
	codePurpose      = "lambda/code-location"
	codeLocationLife = 10 * time.Minute
)

// codeToken is what the URL of a package carries, sealed.
type codeToken struct {
	Blob    blob.Ref `json:"blob"`
	Expires int64    `json:"expires"` // seconds since 1970
}

// codeLocation is a URL from which a package can be fetched for a while, by
// whoever has it.
func (s *Service) codeLocation(c *service.Call, g *fn.Config) string {
	return s.blobLocation(c, g.Code.Blob)
}

// blobLocation is such a URL for any blob: layers have them too.
func (s *Service) blobLocation(c *service.Call, b blob.Ref) string {
	raw, _ := json.Marshal(codeToken{b, c.Now.Add(codeLocationLife).Unix()})
	return s.deps.Site.Endpoint + codePath + s.deps.Seal.SealToken(codePurpose, raw)
}

func (s *Service) codeEndpoint() service.Endpoint {
	return service.Endpoint{
		Name:  "lambda-code",
		Match: func(r *http.Request, _ string) bool { return strings.HasPrefix(r.URL.Path, codePath) },
		Serve: s.serveCode,
	}
}

func (s *Service) serveCode(w http.ResponseWriter, r *http.Request, c *service.Call) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	raw, err := s.deps.Seal.OpenToken(codePurpose, strings.TrimPrefix(r.URL.Path, codePath))
	var t codeToken
	if err != nil || json.Unmarshal(raw, &t) != nil {
		http.Error(w, "Forbidden", http.StatusForbidden)
		return
	}
	if c.Now.Unix() >= t.Expires {
		http.Error(w, "Request has expired", http.StatusForbidden)
		return
	}
	body, err := s.deps.Blobs.Open(r.Context(), t.Blob, 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		c.Log.Error("open a package", "error", err)
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Length", strconv.FormatInt(t.Blob.Size, 10))
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, body); err != nil {
		c.Log.Warn("send a package", "error", err)
	}
}
