package dynamodb

import (
	"context"
	"slices"

	api "moln.dev/moln/api/dynamodb"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/dynamodb/item"
	"moln.dev/moln/services/dynamodb/store"
	"moln.dev/moln/wire"
)

// The answers with many or large items write those themselves, from the form
// they are stored in.

// foundItem is the answer to GetItem.
type foundItem struct {
	out *api.GetItemOutput
	oneFound
}

// Rest implements wire.Direct.
func (f *foundItem) Rest() any { return f.out }

// AppendMembers implements wire.Direct.
func (f *foundItem) AppendMembers(dst []byte) []byte {
	switch {
	case f.stored != nil:
		return f.stored.AppendJSON(append(dst, `,"Item":`...))
	case f.part != nil:
		return item.AppendJSON(append(dst, `,"Item":`...), f.part)
	}
	return dst
}

func (s *Service) replyGetItem(ctx context.Context, c *service.Call, in *api.GetItemInput) (wire.Direct, error) {
	out, f, err := s.readItem(ctx, c, in)
	return &foundItem{out, f}, err
}

// foundPage is the answer to Query and Scan.
type foundPage struct {
	out  any
	r    *store.Reading
	page *store.Page
}

// Rest implements wire.Direct.
func (l *foundPage) Rest() any { return l.out }

// AppendMembers implements wire.Direct.
func (l *foundPage) AppendMembers(dst []byte) []byte {
	if l.r.CountOnly {
		return dst
	}
	dst = slices.Grow(dst, l.page.Bytes+l.page.Bytes/8+wireOverhead*l.page.Count)
	dst = append(dst, `,"Items":`...)
	if l.page.Stored == nil {
		return appendItems(dst, l.page.Items, item.AppendJSON)
	}
	return appendItems(dst, l.page.Stored, func(dst []byte, s item.Stored) []byte { return s.AppendJSON(dst) })
}

// wireOverhead is about what names of types, quotes and braces add to an item.
const wireOverhead = 64

func appendItems[T any](dst []byte, items []T, one func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, it := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, it)
	}
	return append(dst, ']')
}

func (s *Service) replyQuery(ctx context.Context, c *service.Call, in *api.QueryInput) (wire.Direct, error) {
	out, r, p, err := s.readQuery(ctx, c, in, true)
	return &foundPage{out, r, p}, err
}

func (s *Service) replyScan(ctx context.Context, c *service.Call, in *api.ScanInput) (wire.Direct, error) {
	out, r, p, err := s.readScan(ctx, c, in, true)
	return &foundPage{out, r, p}, err
}
