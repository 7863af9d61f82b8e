package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"moln.dev/moln/platform/service"
)

const (
	layerPath    = "/_aws/ecr-layer/"
	layerPurpose = "ecr/layer"
	layerLife    = time.Hour
)

// layerToken is what the URL of a layer carries, sealed.
type layerToken struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Digest  string `json:"digest"`
	Expires int64  `json:"expires"` // seconds since 1970
}

// layerURL is a URL from which a layer can be fetched for a while, by whoever
// has it.
func (s *Service) layerURL(c *service.Call, p place, digest string) string {
	raw, _ := json.Marshal(layerToken{p.account, p.region, digest, c.Now.Add(layerLife).Unix()})
	return s.deps.Site.Endpoint + layerPath + s.deps.Seal.SealToken(layerPurpose, raw)
}

func (s *Service) layerEndpoint() service.Endpoint {
	return service.Endpoint{
		Name:    "ecr-layer",
		Match:   func(r *http.Request, _ string) bool { return strings.HasPrefix(r.URL.Path, layerPath) },
		Streams: true,
		Serve: func(w http.ResponseWriter, r *http.Request, c *service.Call) {
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
				return
			}
			raw, err := s.deps.Seal.OpenToken(layerPurpose, strings.TrimPrefix(r.URL.Path, layerPath))
			var t layerToken
			if err != nil || json.Unmarshal(raw, &t) != nil {
				http.Error(w, "Forbidden", http.StatusForbidden)
				return
			}
			if c.Now.Unix() >= t.Expires {
				http.Error(w, "Request has expired", http.StatusForbidden)
				return
			}
			err = s.sendContent(w, r, place{t.Account, t.Region}, t.Digest)
			switch {
			case errors.Is(err, errAbsent):
				http.NotFound(w, r)
			case err != nil:
				c.Log.Error("send a layer", "error", err)
				http.Error(w, "Internal Server Error", http.StatusInternalServerError)
			}
		},
	}
}

// sendContent answers with content, or the range of it that is asked for. Its
// error comes before anything was written; what breaks later ends the
// connection.
func (s *Service) sendContent(w http.ResponseWriter, r *http.Request, p place, digest string) error {
	ct, err := s.store.content(r.Context(), p, digest)
	if err != nil {
		return err
	}
	first, last, partial := rangeOf(r.Header.Get("Range"), ct.Bytes)
	body, err := s.openContent(r.Context(), ct, first, last-first+1)
	if err != nil {
		return err
	}
	defer body.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(last-first+1, 10))
	h.Set("Docker-Content-Digest", digest)
	h.Set("Etag", `"`+digest+`"`)
	h.Set("Accept-Ranges", "bytes")
	if partial {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, ct.Bytes))
		w.WriteHeader(http.StatusPartialContent)
	}
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(w, body); err != nil {
		panic(http.ErrAbortHandler) // a short answer must not look whole
	}
	return nil
}

// rangeOf reads a header with one range of bytes; all else is the whole.
func rangeOf(header string, size int64) (first, last int64, partial bool) {
	from, to, found := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	first, err := strconv.ParseInt(from, 10, 64)
	if !found || !strings.HasPrefix(header, "bytes=") || err != nil || first < 0 || first >= size {
		return 0, size - 1, false
	}
	last = size - 1
	if to != "" {
		if last, err = strconv.ParseInt(to, 10, 64); err != nil || last < first {
			return 0, size - 1, false
		}
	}
	return first, min(last, size-1), true
}

// openContent reads length bytes from first.
func (s *Service) openContent(ctx context.Context, ct *content, first, length int64) (io.ReadCloser, error) {
	out := &joined{}
	for _, ref := range ct.Parts {
		if first >= ref.Size {
			first -= ref.Size
			continue
		}
		if length <= 0 {
			break
		}
		n := min(length, ref.Size-first)
		from := first
		out.next = append(out.next, func() (io.ReadCloser, error) { return s.deps.Blobs.Open(ctx, ref, from, n) })
		first, length = 0, length-n
	}
	// The first is opened now, so that what is missing is told in time.
	return out, out.advance()
}

// joined reads one blob after another, one open at a time.
type joined struct {
	next []func() (io.ReadCloser, error)
	now  io.ReadCloser
}

func (j *joined) advance() (err error) {
	if j.now != nil {
		_ = j.now.Close()
		j.now = nil
	}
	if len(j.next) == 0 {
		return nil
	}
	j.now, err = j.next[0]()
	j.next = j.next[1:]
	return err
}

func (j *joined) Read(p []byte) (int, error) {
	for j.now != nil {
		n, err := j.now.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
		if err := j.advance(); err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

func (j *joined) Close() error {
	j.next = nil
	return j.advance()
}
