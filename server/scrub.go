package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"moln.dev/moln/engine/blob"
	"moln.dev/moln/platform/service"
)

// ScrubLine is one line of a scrub's answer. Damage comes as it is found; the
// last line has Done or Error, and without one the answer is not whole.
type ScrubLine struct {
	Damage *service.Damage   `json:"damage,omitempty"`
	Done   *service.Scrubbed `json:"done,omitempty"`
	Error  string            `json:"error,omitempty"`
}

// scrub reads all stored bytes of all services, one scrub at a time, while they
// work.
func (s *Server) scrub(w http.ResponseWriter, r *http.Request) {
	if !s.scrubbing.TryLock() {
		http.Error(w, "another scrub is under way", http.StatusConflict)
		return
	}
	defer s.scrubbing.Unlock()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	control := http.NewResponseController(w)
	tell := func(l ScrubLine) {
		_ = out.Encode(l) // a client that is gone ends the context
		_ = control.Flush()
	}
	total, err := s.scrubAll(r.Context(), func(d service.Damage) {
		s.log.Error("scrub: damaged", "service", d.Service, "bucket", d.Bucket, "key", d.Key, "version", d.Version, "upload", d.Upload, "part", d.Part, "blob", d.Blob, "reason", d.Reason)
		tell(ScrubLine{Damage: &d})
	})
	if err != nil {
		s.log.Error("scrub", "error", err)
		tell(ScrubLine{Error: err.Error()})
		return
	}
	s.log.Info("scrub", "objects", total.Objects, "bytes", total.Bytes, "damaged", total.Damaged, "garbage", total.Garbage)
	tell(ScrubLine{Done: &total})
}

func (s *Server) scrubAll(ctx context.Context, found func(service.Damage)) (service.Scrubbed, error) {
	var total service.Scrubbed
	named := map[string]bool{}
	for _, d := range s.definitions {
		if d.Scrub == nil {
			continue
		}
		named[d.Schema.Name] = true
		one, err := d.Scrub(ctx, found)
		total.Add(one)
		if err != nil {
			return total, err
		}
	}
	for _, scope := range s.scopes {
		if named[scope] {
			continue
		}
		one, err := scrubScope(ctx, scope, s.blobs.Scope(scope), found)
		total.Add(one)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// scrubScope checks the blocks of all blobs of a service.
func scrubScope(ctx context.Context, name string, blobs *blob.Store, found func(service.Damage)) (service.Scrubbed, error) {
	var total service.Scrubbed
	err := blobs.List(ctx, func(i blob.Info) error {
		err := blobs.Check(ctx, i)
		switch {
		case errors.Is(err, blob.ErrNotFound):
			return nil // deleted meanwhile
		case errors.Is(err, blob.ErrCorrupt):
			total.Damaged++
			found(service.Damage{Service: name, Blob: i.ID, Reason: err.Error()})
		case err != nil:
			return err
		}
		total.Objects++
		total.Bytes += i.StoredBytes
		return nil
	})
	return total, err
}

// AskScrub lets a running server scrub what it keeps. It calls found with each
// damage as soon as the server tells it, however long the scrub takes.
func AskScrub(ctx context.Context, endpoint, token string, found func(service.Damage)) (service.Scrubbed, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(endpoint, "/")+"/_moln/scrub", nil)
	if err != nil {
		return service.Scrubbed{}, err
	}
	resp, err := askClient(0).Do(authorized(req, token))
	if err != nil {
		return service.Scrubbed{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return service.Scrubbed{}, refused(endpoint, resp)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, askBytesMax)
	for lines.Scan() {
		var l ScrubLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return service.Scrubbed{}, err
		}
		switch {
		case l.Damage != nil:
			found(*l.Damage)
		case l.Done != nil:
			return *l.Done, nil
		case l.Error != "":
			return service.Scrubbed{}, fmt.Errorf("the scrub ended early: %s", l.Error)
		}
	}
	return service.Scrubbed{}, errors.Join(errors.New("the scrub ended early"), lines.Err())
}
