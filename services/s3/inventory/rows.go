package inventory

import (
	"context"
	"io"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/services/s3/listing"
	"moln.dev/moln/services/s3/store"
)

// rows gives the lines of a report one after the other, and holds a page of
// them. It is for one goroutine at a time.
type rows struct {
	store   *store.Store
	r       *report
	at      *listing.Listing
	version string   // the last one that was read
	ready   []string // lines that were not written yet
	ended   bool     // there is no page after this
}

func newRows(st *store.Store, r *report, conf *api.InventoryConfiguration) *rows {
	s := &rows{store: st, r: r, at: &listing.Listing{Max: pageMax}}
	if conf.Filter != nil {
		s.at.Prefix = *conf.Filter.Prefix
	}
	return s
}

// more tells whether there is another line.
func (s *rows) more(ctx context.Context) (bool, error) {
	for len(s.ready) == 0 && !s.ended {
		if err := s.load(ctx); err != nil {
			return false, err
		}
	}
	return len(s.ready) > 0, nil
}

// write writes up to limit lines.
func (s *rows) write(ctx context.Context, w io.Writer, limit int) error {
	for ; limit > 0; limit-- {
		if more, err := s.more(ctx); err != nil || !more {
			return err
		}
		if _, err := io.WriteString(w, s.ready[0]); err != nil {
			return err
		}
		s.ready = s.ready[1:]
	}
	return nil
}

// load reads the next page.
func (s *rows) load(ctx context.Context) error {
	var page *listing.Page
	var err error
	note := func(o *store.Object, latest bool) {
		s.version = o.Version
		s.ready = append(s.ready, s.r.row(o, latest))
	}
	if s.r.all {
		page, err = s.store.ListVersions(ctx, s.r.b, s.at, s.version, note)
	} else {
		page, err = s.store.ListObjects(ctx, s.r.b, s.at, func(o *store.Object) { note(o, true) })
	}
	if err != nil {
		return err
	}
	s.at.After, s.ended = page.Last, !page.Truncated
	return nil
}
