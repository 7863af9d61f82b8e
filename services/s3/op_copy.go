package s3

import (
	"context"
	"io"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	api "moln.dev/moln/api/s3"
	"moln.dev/moln/aws/smithy"
	"moln.dev/moln/platform/service"
	"moln.dev/moln/services/s3/checksum"
	"moln.dev/moln/services/s3/condition"
	"moln.dev/moln/services/s3/naming"
	"moln.dev/moln/services/s3/op"
	"moln.dev/moln/services/s3/s3err"
	"moln.dev/moln/services/s3/sse"
	"moln.dev/moln/services/s3/store"
	"moln.dev/moln/services/s3/write"
)

// source is what x-amz-copy-source names.
type source struct {
	bucket, key string
	version     *string
}

// parseSource reads [/]bucket/key[?versionId=id], percent-encoded.
func parseSource(header string) (source, error) {
	bad := s3err.InvalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	path, query, hasQuery := strings.Cut(header, "?versionId=")
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil || !utf8.ValidString(path) {
		return source{}, s3err.Argument("x-amz-copy-source", header, "Invalid copy source encoding")
	}
	name, key, ok := strings.Cut(path, "/")
	if strings.HasPrefix(path, "arn:") {
		var p naming.Point
		if p, key, ok = naming.ParsePoint(path); ok {
			name = p.ARN()
		}
	}
	switch {
	case !ok:
		return source{}, bad
	case !naming.ValidBucket(name) && !naming.IsPoint(name):
		return source{}, s3err.Argument("x-amz-copy-source", header, "Invalid copy source bucket name")
	case key == "":
		return source{}, s3err.Argument("x-amz-copy-source", header, "Invalid copy source object key")
	}
	src := source{bucket: name, key: key}
	if hasQuery {
		src.version = new(query)
	}
	return src, nil
}

// sourceText is a copy's source as conditions see it: in one spelling, whatever
// the header's.
func sourceText(header *string) string {
	src, err := parseSource(smithy.Val(header))
	if err != nil {
		return smithy.Val(header) // the request is refused
	}
	text := src.bucket + "/" + src.key
	if strings.HasPrefix(src.bucket, "arn:") {
		text = src.bucket + "/object/" + src.key
	}
	if src.version != nil {
		text += "?versionId=" + *src.version
	}
	return text
}

// openSource finds the object that is copied, and judges the copy's conditions.
func (s *Service) openSource(ctx context.Context, c *service.Call, src source, cond condition.Conditions) (*store.Bucket, *store.Object, error) {
	b, through, err := op.Reach(ctx, c, s.store, src.bucket)
	if err != nil {
		return nil, nil, err
	}
	o, err := op.Find(ctx, through, s.store, b, src.key, src.version)
	if err != nil {
		return nil, nil, err
	}
	if cond.Judge(o.ETag, o.LastModified()) != condition.Proceed {
		return nil, nil, s3err.FailedCondition("x-amz-copy-source-" + cond.Header(o.ETag, o.LastModified()))
	}
	return b, o, write.SourceReadable(b, o, c.Now)
}

func (s *Service) copyObject(ctx context.Context, c *service.Call, in *api.CopyObjectInput) (*api.CopyObjectOutput, error) {
	alg := checksum.Asked(in.ChecksumAlgorithm)
	if alg != "" && checksum.New(alg) == nil {
		return nil, checksum.Unknown()
	}
	b, err := s.store.Bucket(ctx, smithy.Val(in.Bucket))
	if err != nil {
		return nil, err
	}
	from, err := parseSource(smithy.Val(in.CopySource))
	if err != nil {
		return nil, err
	}
	sb, so, err := s.openSource(ctx, c, from, condition.Conditions{
		Match: smithy.Val(in.CopySourceIfMatch), NoneMatch: smithy.Val(in.CopySourceIfNoneMatch),
		ModifiedSince: in.CopySourceIfModifiedSince, Unmodified: in.CopySourceIfUnmodifiedSince,
	})
	if err != nil {
		return nil, err
	}
	if so.Size > store.PutBytesMax {
		return nil, s3err.InvalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(store.PutBytesMax))
	}
	o, err := s.copied(ctx, c, b, sb, so, in)
	if err != nil {
		return nil, err
	}
	if err := write.CheckLock(c, b, o, nil); err != nil {
		return nil, err
	}
	if err := sse.Unlock(ctx, c, s.store, sb, so, sse.SourceOf(in)); err != nil {
		return nil, err
	}
	asked := sse.AskedBy(in)
	encryption, protect, err := sse.Begin(ctx, c, s.store, s.deps.Ident, b, o.Key, asked)
	if err != nil {
		return nil, err
	}
	o.SSE = encryption
	holds := func(cur *store.Object) error {
		return write.Condition(smithy.Val(in.IfMatch), smithy.Val(in.IfNoneMatch), o.Key, cur)
	}
	got, err := s.copyBody(ctx, sb, so, condition.Span{Length: so.Size}, store.Intake{Algorithms: copyAlgorithms(alg, so), Protect: protect})
	if err != nil {
		return nil, err
	}
	o.Body, o.ETag, o.Sums, o.SumType = got.Body, got.ETag, got.Sums, checksum.FullObject
	if err := s.writer.Commit(ctx, c, b, o, store.Data{Inline: got.Inline}, write.Options{Event: "ObjectCreated:Copy", Condition: holds}); err != nil {
		s.store.Undo(ctx, got, err)
		return nil, err
	}
	result := &api.CopyObjectResult{ETag: new(o.QuotedETag()), LastModified: new(o.Modified.UTC().Truncate(time.Millisecond)), ChecksumType: new(o.SumType)}
	op.SetSums(o.Sums, result)
	out := &api.CopyObjectOutput{
		CopyObjectResult: result, CopySourceVersionId: store.VisibleVersion(sb, so), VersionId: store.WrittenVersion(o),
		Expiration: o.Expiration(b),
	}
	sse.Tell(out, o.SSE, asked)
	return out, nil
}

// copyAlgorithms keeps the source's checksum algorithm unless another is asked
// for.
func copyAlgorithms(asked string, so *store.Object) []string {
	if asked != "" {
		return []string{asked}
	}
	if names := op.SumNames(so.Sums); len(names) > 0 {
		return names
	}
	return []string{checksum.CRC64NVME}
}

// copied makes the record of the copy: the source's properties, or new ones.
func (s *Service) copied(ctx context.Context, c *service.Call, b, sb *store.Bucket, so *store.Object, in *api.CopyObjectInput) (*store.Object, error) {
	directive, tagging := smithy.Val(in.MetadataDirective), smithy.Val(in.TaggingDirective)
	o, err := write.NewObject(write.Attributes{
		Key: smithy.Val(in.Key), Meta: in.Metadata, Tagging: in.Tagging, Class: in.StorageClass,
		Headers: map[string]*string{
			store.HeaderContentType: in.ContentType, store.HeaderCacheControl: in.CacheControl, store.HeaderContentDisposition: in.ContentDisposition,
			store.HeaderContentEncoding: in.ContentEncoding, store.HeaderContentLanguage: in.ContentLanguage, store.HeaderExpires: in.Expires, store.HeaderRedirect: in.WebsiteRedirectLocation,
		},
		LockMode: in.ObjectLockMode, LockHold: in.ObjectLockLegalHoldStatus, LockUntil: in.ObjectLockRetainUntilDate, LockEvent: in.ObjectLockEventHold, Now: c.Now,
	})
	if err != nil {
		return nil, err
	}
	if err := write.Own(c, b, o, op.CopyList(in)); err != nil {
		return nil, err
	}
	replace := directive == "REPLACE"
	if b.Name == sb.Name && o.Key == so.Key && b.Versioning == "" && !replace && tagging != "REPLACE" &&
		in.StorageClass == nil && in.WebsiteRedirectLocation == nil && in.ServerSideEncryption == nil && in.SSECustomerAlgorithm == nil && so.SSE == nil {
		return nil, s3err.InvalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if !replace {
		redirect := o.Headers[store.HeaderRedirect]
		o.Meta, o.Headers = so.Meta, map[string]string{}
		for k, v := range so.Headers {
			if k != store.HeaderRedirect { // never copied
				o.Headers[k] = v
			}
		}
		if redirect != "" {
			o.Headers[store.HeaderRedirect] = redirect
		}
	}
	if tagging == "REPLACE" {
		return o, nil
	}
	if o.Tags = so.Tags; len(o.Tags) == 0 {
		return o, nil
	}
	from, err := parseSource(smithy.Val(in.CopySource))
	if err != nil {
		return nil, err
	}
	_, through, err := op.Reach(ctx, c, s.store, from.bucket)
	if err != nil {
		return nil, err
	}
	if err := (op.Ask{Bucket: sb, Action: "s3:GetObjectTagging", Key: so.Key, Object: so, Keys: op.RequestKeys(c)}).Judge(ctx, through); err != nil {
		return nil, err
	}
	return o, op.Ask{Bucket: b, Action: "s3:PutObjectTagging", Key: o.Key, Keys: op.RequestKeys(c)}.Judge(ctx, c)
}

// copyBody takes in a part of another object's body, encrypted anew.
func (s *Service) copyBody(ctx context.Context, sb *store.Bucket, so *store.Object, at condition.Span, take store.Intake) (*store.Received, error) {
	src, err := s.store.Open(ctx, sb, so, at)
	if store.IsGone(err) {
		return nil, s3err.NoSuchKey(so.Key)
	}
	if err != nil {
		return nil, err
	}
	defer src.Close()
	take.Max = store.PutBytesMax
	got, err := s.store.Receive(ctx, src, take)
	if err != nil {
		return nil, err
	}
	if got.Size != at.Length {
		s.store.Discard(ctx, got)
		return nil, io.ErrUnexpectedEOF
	}
	return got, nil
}
