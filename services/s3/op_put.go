package s3

import (
	"context"
	"strings"
	"time"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/sse"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/write"
)

func (s *Service) putObject(ctx context.Context, c *service.Call, in *api.PutObjectInput) (*api.PutObjectOutput, error) {
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	o, err := write.NewObject(putAttributes(in, c.Now))
	if err != nil {
		return nil, err
	}
	if err := write.Own(c, b, o, op.PutList(in)); err != nil {
		return nil, err
	}
	if in.WriteOffsetBytes != nil {
		return nil, s3err.NotImplemented("moln does not append to objects")
	}
	take, err := write.IntakeOf(c, checksum.Asked(in.ChecksumAlgorithm))
	if err != nil {
		return nil, err
	}
	if err := write.CheckLock(c, b, o, &take.Expect); err != nil {
		return nil, err
	}
	holds := func(cur *store.Object) error {
		return write.Condition(smithy.Val(in.IfMatch), smithy.Val(in.IfNoneMatch), o.Key, cur)
	}
	if err := s.writer.Early(ctx, b, o.Key, in.IfMatch, in.IfNoneMatch, holds); err != nil {
		return nil, err
	}
	asked := sse.AskedBy(in)
	if o.SSE, take.Protect, err = sse.Begin(ctx, c, s.store, s.deps.Ident, b, o.Key, asked); err != nil {
		return nil, err
	}
	src := in.Body
	if src == nil {
		src = strings.NewReader("")
	}
	got, err := s.store.Receive(ctx, src, take)
	if err != nil {
		return nil, err
	}
	o.Body, o.ETag, o.Sums, o.SumType = got.Body, got.ETag, got.Sums, checksum.FullObject
	if err := s.writer.Commit(ctx, c, b, o, store.Data{Inline: got.Inline}, write.Options{Event: putEvent(c), Condition: holds}); err != nil {
		s.store.Undo(ctx, got, err)
		return nil, err
	}
	out := &api.PutObjectOutput{ETag: new(o.QuotedETag()), VersionId: store.WrittenVersion(o), ChecksumType: new(o.SumType), Expiration: o.Expiration(b)}
	sse.Tell(out, o.SSE, asked)
	op.SetSums(o.Sums, out)
	return out, nil
}

// putEvent is what is told of an upload, by the way it came.
func putEvent(c *service.Call) string {
	if c.HTTP != nil && c.HTTP.Form {
		return "ObjectCreated:Post"
	}
	return "ObjectCreated:Put"
}

func putAttributes(in *api.PutObjectInput, now time.Time) write.Attributes {
	return write.Attributes{
		Key: smithy.Val(in.Key), Meta: in.Metadata, Tagging: in.Tagging, Class: in.StorageClass,
		Headers: map[string]*string{
			store.HeaderContentType: in.ContentType, store.HeaderCacheControl: in.CacheControl, store.HeaderContentDisposition: in.ContentDisposition,
			store.HeaderContentEncoding: in.ContentEncoding, store.HeaderContentLanguage: in.ContentLanguage, store.HeaderExpires: in.Expires, store.HeaderRedirect: in.WebsiteRedirectLocation,
		},
		LockMode: in.ObjectLockMode, LockHold: in.ObjectLockLegalHoldStatus, LockUntil: in.ObjectLockRetainUntilDate, LockEvent: in.ObjectLockEventHold,
		Now: now,
	}
}
