// Package write stores new versions of objects and deletes them, with all that
// goes with it: the conditions of the request, the events, the bytes that are
// replaced. Every way to write an object (PutObject, copies, finished uploads)
// and to delete one passes through Commit and Remove, and nothing else does.
// It does not authorize.
package write

import (
	"context"
	"net/http"
	"slices"

	"moln.dev/moln/aws/fault"
	"moln.dev/moln/engine/ident"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/condition"
	"moln.dev/moln/services/s3/notify"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/store"
)

// Writer writes and deletes objects. It is safe for concurrent use.
type Writer struct {
	store  *store.Store
	events *notify.Notifier
	ids    *ident.Source
}

// New returns a Writer that tells events of what it does.
func New(st *store.Store, events *notify.Notifier, ids *ident.Source) *Writer {
	return &Writer{st, events, ids}
}

// IntakeOf reads what a request says about its body.
func IntakeOf(c *service.Call, algorithm string) (store.Intake, error) {
	take := store.Intake{Max: store.PutBytesMax}
	if algorithm != "" {
		if checksum.New(algorithm) == nil {
			return take, checksum.Unknown()
		}
		take.Algorithms = []string{algorithm}
	}
	if c.HTTP != nil {
		size := announced(c)
		if size < 0 {
			return take, fault.New("MissingContentLength", http.StatusLengthRequired, "You must provide the Content-Length HTTP header.")
		}
		if size > store.PutBytesMax {
			return take, s3err.EntityTooLarge()
		}
		take.Size = size
		var err error
		if take.Expect, err = checksum.Expected(c.HTTP.Request.Header); err != nil {
			return take, err
		}
		if err := announcedSum(c, algorithm, take.Expect); err != nil {
			return take, err
		}
		take.Trailer = c.HTTP.Trailer
	}
	if len(take.Algorithms) == 0 && len(take.Expect.Algorithms()) == 0 {
		take.Algorithms = []string{checksum.CRC64NVME} // as S3 does for clients that name none
	}
	return take, nil
}

// announcedSum wants the checksum that x-amz-sdk-checksum-algorithm announces, as
// a header or after the body.
func announcedSum(c *service.Call, algorithm string, e checksum.Expectation) error {
	if algorithm == "" || c.HTTP.Request.Header.Get("X-Amz-Sdk-Checksum-Algorithm") == "" {
		return nil
	}
	sent := e.Algorithms()
	switch {
	case len(sent) == 0:
		return s3err.InvalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case !slices.Contains(sent, algorithm):
		return s3err.InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return nil
}

// announced is the length that the client says its body has, or -1.
func announced(c *service.Call) int64 {
	if c.HTTP.DecodedLength > 0 || c.HTTP.Request.Header.Get("X-Amz-Decoded-Content-Length") != "" {
		return c.HTTP.DecodedLength
	}
	return c.HTTP.Request.ContentLength
}

// Early judges a write's condition before its body is read; Commit does so
// again.
func (w *Writer) Early(ctx context.Context, b *store.Bucket, key string, ifMatch, ifNoneMatch *string, holds func(*store.Object) error) error {
	if ifMatch == nil && ifNoneMatch == nil {
		return nil
	}
	cur, err := w.store.Current(ctx, b, key)
	if err != nil {
		return err
	}
	return holds(cur)
}

// Condition judges If-Match and If-None-Match of a write against the version
// that is current. If-None-Match takes * only, and not together with If-Match.
func Condition(ifMatch, ifNoneMatch, key string, cur *store.Object) error {
	exists := cur != nil && !cur.Marker
	switch {
	case ifNoneMatch != "" && (ifNoneMatch != "*" || ifMatch != ""):
		return s3err.NotImplemented("A header you provided implies functionality that is not implemented")
	case ifNoneMatch == "*" && exists:
		return s3err.FailedCondition("If-None-Match")
	case ifMatch == "":
		return nil
	case !exists:
		return s3err.NoSuchKey(key)
	case !condition.MatchesETag(ifMatch, cur.ETag):
		return s3err.FailedCondition("If-Match")
	}
	return nil
}

// Options say what goes with storing a version.
type Options struct {
	Event     string                        // "ObjectCreated:Put"
	Condition func(cur *store.Object) error // nil: none
	// Also runs in the same transaction; nil: nothing.
	Also func(tx *store.Tx) error
}

// Commit stores o as the current version of its key, and queues its event (B3).
func (w *Writer) Commit(ctx context.Context, c *service.Call, b *store.Bucket, o *store.Object, d store.Data, opt Options) error {
	o.Modified, o.Sequence = c.Now.UTC(), w.ids.Sortable()
	return w.store.Update(ctx, b, o.Key, func(tx *store.Tx) error {
		cur, err := tx.Current()
		if err != nil {
			return err
		}
		if opt.Condition != nil {
			if err := opt.Condition(cur); err != nil {
				return err
			}
		}
		if err := settle(tx.Bucket, o, c.Now.UTC()); err != nil {
			return err
		}
		if err := tx.Put(cur, o, d); err != nil {
			return err
		}
		if opt.Also != nil {
			if err := opt.Also(tx); err != nil {
				return err
			}
		}
		return w.events.Queue(tx, c, notify.Change{Event: opt.Event, Object: o})
	})
}
